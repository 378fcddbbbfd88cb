// What each verdict is called, and what each quality flag means to the reader: `edge/vitals/quality.py` has the list.

// look: shape and colour; without one the flag says nothing about the signal. Of several flags the first here that is
// given explains the verdict.
export const FLAGS = {
  radar_fault: { look: "unusable", title: "Radar fault", reason: "The radar's data cannot be used." },
  stale: { look: "unusable", title: "Radar silent", reason: "No radar frame is arriving." },
  no_subject: { look: "nobody", title: "Nobody there", reason: "There is no chest in view." },
  body_movement: { look: "moving", title: "Moving", reason: "No heart rate while the body moves." },
  warming_up: { look: "waiting", title: "Listening", reason: "A heart rate needs some ten still seconds." },
  low_snr: { look: "unusable", title: "Too weak", reason: "The heart does not stand out of the noise." },
  model_uncertain: { look: "unusable", title: "Uncertain", reason: "More than one rate would fit." },
  frame_loss: { look: "degraded", title: "Degraded", reason: "Radar frames are lost." },
  clock_unsynced: { look: null, title: null, reason: "The device's clock is not synchronised: its time stamps may be wrong." },
};

// Without frames nothing is known of the data, and without usable data nothing of the chest: only these are said then.
const KNOWN = { stale: ["stale"], radar_fault: ["radar_fault", "frame_loss"] };

const PLAIN = {
  good: { look: "good", title: "Good signal", reason: "" },
  degraded: { look: "degraded", title: "Degraded", reason: "The signal is weaker than usual." },
  unusable: { look: "unusable", title: "No signal", reason: "The signal cannot be used." },
};

const MOVING = { mild: "Moving a little", extensive: "Moving a lot" };
const IRREGULAR = "The rhythm seems irregular: a hint, no diagnosis.";

// A second's vitals to {look, title, reason, note}; the note is no part of the verdict.
export function explain({ state, flags, movement, irregular }) {
  const given = Object.keys(FLAGS).filter((flag) => flags.includes(flag));
  const known = KNOWN[["stale", "radar_fault"].find((flag) => given.includes(flag))] ?? given;
  const causes = given.filter((flag) => FLAGS[flag].look);
  const main = (state !== "good" && FLAGS[causes[0]]) || PLAIN[state];
  const reasons = causes.filter((flag) => known.includes(flag)).map((flag) => FLAGS[flag].reason);
  const notes = given.filter((flag) => !FLAGS[flag].look).map((flag) => FLAGS[flag].reason);
  return {
    look: main.look,
    title: (main.look === "moving" && MOVING[movement]) || main.title,
    reason: [...(reasons.length ? reasons : [main.reason]), irregular && IRREGULAR].filter(Boolean).join(" "),
    note: notes.join(" "),
  };
}
