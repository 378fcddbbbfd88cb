// What each verdict is called, and what each quality flag means to whoever looks: `edge/vitals/quality.py` has the list.

// look: shape and colour. Of several flags the first here that came explains the verdict.
export const FLAGS = {
  radar_fault: { look: "unusable", title: "Radar fault", reason: "The radar's data cannot be used." },
  stale: { look: "unusable", title: "Radar silent", reason: "No frame has come from the radar." },
  no_subject: { look: "nobody", title: "Nobody there", reason: "There is no chest in view." },
  out_of_range: { look: "nobody", title: "Out of range", reason: "The chest is too near or too far." },
  multiple_subjects: { look: "nobody", title: "More than one", reason: "More than one person is in view." },
  body_movement: { look: "moving", title: "Moving", reason: "The body moves; the heart rate is not told." },
  warming_up: { look: "waiting", title: "Listening", reason: "A heart rate needs some ten still seconds." },
  low_snr: { look: "unusable", title: "Too weak", reason: "The heart does not stand out of the noise." },
  model_uncertain: { look: "unusable", title: "Uncertain", reason: "More than one rate would fit." },
  frame_loss: { look: "degraded", title: "Degraded", reason: "Radar frames are lost." },
  clock_unsynced: { look: null, title: null, reason: "The device's clock is not synchronised." },
};

const PLAIN = {
  good: { look: "good", title: "Good signal", reason: "" },
  degraded: { look: "degraded", title: "Degraded", reason: "The signal is weaker than usual." },
  unusable: { look: "unusable", title: "No signal", reason: "The signal cannot be used." },
};

const MOVING = { mild: "Moving a little", extensive: "Moving a lot" };
const IRREGULAR = "The rhythm seems irregular: a hint, no diagnosis.";

// A second's vitals to {look, title, reason}.
export function explain({ state, flags, movement, irregular }) {
  const given = Object.keys(FLAGS).filter((flag) => flags.includes(flag)).map((flag) => FLAGS[flag]);
  const main = (state !== "good" && given.find((flag) => flag.look)) || PLAIN[state];
  const others = given.filter((flag) => flag !== main).map((flag) => flag.reason);
  const reasons = [main.reason, ...others, irregular && IRREGULAR].filter(Boolean);
  return { look: main.look, title: (main.look === "moving" && MOVING[movement]) || main.title, reason: reasons.join(" ") };
}
