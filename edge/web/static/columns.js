// Rows of /api/v1/vitals as columns without holes, and what they mean in words.

import { asDayAndMinute, asMinute, asSecond } from "./times.js";
import { FLAGS } from "./words.js";

const NAMES = ["heart_rate_bpm", "ci95_low_bpm", "ci95_high_bpm", "valid", "present", "moving", "recorded", "flags"];

// Returns one entry per second, minute or hour from `from_s` to `to_s`, null where no answer has a row; later answers
// replace earlier ones.
export function toColumns(answers, from_s, to_s) {
  const resolution_s = answers[0].resolution_s;
  const first = Math.floor(from_s / resolution_s);
  const count = Math.max(1, Math.ceil(to_s / resolution_s) - first);
  const columns = { resolution_s, t_s: Array.from({ length: count }, (_, k) => (first + k) * resolution_s) };
  for (const name of NAMES) columns[name] = new Array(count).fill(null);
  for (const answer of answers.filter((one) => one.resolution_s === resolution_s)) {
    answer.t_s.forEach((t_s, k) => {
      const at = Math.floor(t_s / resolution_s) - first;
      if (at >= 0 && at < count) for (const name of NAMES) columns[name][at] = answer[name][k];
    });
  }
  return columns;
}

export const isWithheld = (columns, k) => columns.recorded[k] > 0 && columns.heart_rate_bpm[k] === null;

// Returns the row of a time, limited to those that exist.
export function rowAt(columns, t_s) {
  return Math.min(Math.max(Math.floor((t_s - columns.t_s[0]) / columns.resolution_s), 0), columns.t_s.length - 1);
}

// Returns the row in words, for the line above the strip and for screen readers.
export function describe(columns, k, events) {
  const { t_s, resolution_s, heart_rate_bpm, ci95_low_bpm, ci95_high_bpm } = columns;
  const time = { 1: asSecond, 60: asMinute, 3600: asDayAndMinute }[resolution_s](t_s[k]);
  const during = events.filter((event) => event.t_s >= t_s[k] && event.t_s < t_s[k] + resolution_s).map(eventText);
  return [`${time}: ${rateText()}`, ...new Set(during)].join("; ");

  function rateText() {
    if (isWithheld(columns, k)) {
      const reasons = (columns.flags[k] ?? []).map((flag) => FLAGS[flag]?.title).filter(Boolean);
      return `heart rate withheld${reasons.length ? ` (${reasons.join(", ").toLowerCase()})` : ""}`;
    }
    if (heart_rate_bpm[k] === null) return "not recorded";
    const interval = ci95_low_bpm[k] === null ? "" : `, 95 % interval ${Math.round(ci95_low_bpm[k])} to ${Math.round(ci95_high_bpm[k])}`;
    return `${Math.round(heart_rate_bpm[k])} per minute${interval}`;
  }
}

// Returns the whole strip in one sentence.
export function summarise(columns) {
  const rates = columns.heart_rate_bpm.filter((rate) => rate !== null);
  const recorded = sum(columns.recorded);
  const valid = sum(columns.valid.map((fraction, k) => fraction * columns.recorded[k]));
  const missing = Math.round(100 * (1 - recorded / columns.t_s.length));
  if (recorded === 0) return "Nothing recorded in this time.";
  return [
    rates.length ? `${Math.round(Math.min(...rates))} to ${Math.round(Math.max(...rates))} per minute` : "No heart rate",
    `withheld ${Math.round(100 * (1 - valid / recorded))} % of the time`,
    ...(missing > 0 ? [`not recorded ${missing} %`] : []),
  ].join(", ");
}

const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);

export function eventText({ kind, flag }) {
  if (kind === "flag_began" || kind === "flag_ended") {
    const title = FLAGS[flag]?.title ?? flag.replaceAll("_", " ");
    return `${title}${kind === "flag_ended" ? " ended" : ""}`;
  }
  const words = kind.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}
