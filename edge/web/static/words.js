// Titles and explanations of the quality states and flags; `edge/vitals/quality.py` defines the flags.

// look: shape and colour; null if the flag does not concern the signal. Of several flags, the first in this order sets
// the title.
export const FLAGS = {
  radar_fault: { look: "unusable", title: "Radar fault", reason: "The radar's data cannot be used." },
  stale: { look: "unusable", title: "Radar silent", reason: "No radar frames are being received." },
  no_subject: { look: "nobody", title: "Nobody there", reason: "No chest is detected." },
  body_movement: { look: "moving", title: "Moving", reason: "No heart rate during movement." },
  warming_up: { look: "waiting", title: "Warming up", reason: "A heart rate needs about ten seconds without movement." },
  low_snr: { look: "unusable", title: "Too weak", reason: "The heartbeat cannot be distinguished from noise." },
  model_uncertain: { look: "unusable", title: "Uncertain", reason: "More than one heart rate fits the signal." },
  frame_loss: { look: "degraded", title: "Degraded", reason: "Radar frames are being lost." },
  clock_unsynced: { look: null, title: null, reason: "The device's clock is not synchronised: its time stamps may be wrong." },
  network_failed: { look: null, title: null, reason: "The network cannot run, so there is no ECG; the heart rate is the classical one." },
};

// Without frames, or without usable data, other flags are meaningless: only these reasons are shown.
const MEANINGFUL = { stale: ["stale"], radar_fault: ["radar_fault", "frame_loss"] };

const STATES = {
  good: { look: "good", title: "Good signal", reason: "" },
  degraded: { look: "degraded", title: "Degraded", reason: "The signal is weaker than usual." },
  unusable: { look: "unusable", title: "No signal", reason: "The signal cannot be used." },
};

// Names and captions of the trace; "waiting" is the waveform until the first ECG.
const VIBRATION = "Vibration of the chest, one large peak per beat; amplitude not to scale";
export const TRACES = {
  ecg: { name: "Reconstructed ECG", caption: "Shape only, not a measured lead; amplitude not to scale" },
  waveform: { name: "Heart waveform", caption: VIBRATION },
  waiting: { name: "Heart waveform; the ECG follows", caption: VIBRATION },
};

export const MOVING = { mild: "Moving a little", extensive: "Moving a lot" };
const IRREGULAR = "The rhythm may be irregular: a hint, not a diagnosis.";

// Converts one second's vitals to {look, title, reason, note}; the note does not concern the signal quality.
export function explain({ state, flags, movement, irregular }) {
  const present = Object.keys(FLAGS).filter((flag) => flags.includes(flag));
  const meaningful = MEANINGFUL[["stale", "radar_fault"].find((flag) => present.includes(flag))] ?? present;
  const causes = present.filter((flag) => FLAGS[flag].look);
  const main = (state !== "good" && FLAGS[causes[0]]) || STATES[state];
  const reasons = causes.filter((flag) => meaningful.includes(flag)).map((flag) => FLAGS[flag].reason);
  const notes = present.filter((flag) => !FLAGS[flag].look).map((flag) => FLAGS[flag].reason);
  return {
    look: main.look,
    title: (main.look === "moving" && MOVING[movement]) || main.title,
    reason: [...(reasons.length ? reasons : [main.reason]), irregular && IRREGULAR].filter(Boolean).join(" "),
    note: notes.join(" "),
  };
}
