// What a tile means: its state for sorting and filtering, its shape, and its words.

import { asDayAndMinute, asSecond } from "./times.js";
import { explain, MOVING } from "./words.js";

export const NONE = "–";
const TODAY_MS = 12 * 3600 * 1000; // a time that is further back has its day
const RANKS = { offline: 0, unusable: 1, degraded: 3, good: 4 };
const NOBODY_RANK = 2; // no reason to hurry, but no rate either

const LINKS = {
  waiting: { state: "unusable", look: "waiting", title: "Waiting", reason: "Nothing received yet." },
  replay: { state: "unusable", look: "waiting", title: "Replay", reason: "The device replays a recording; nothing is present." },
  unreadable: { state: "unusable", look: "unusable", title: "Unreadable", reason: "Its messages cannot be read: see the hub's log." },
};

// Returns the device's tile with all fields: the hub leaves out those that have their usual value.
export const complete = (tile) => ({
  heart_rate_bpm: null, breathing_rate_bpm: null, state: "unusable", flags: [], movement: "none", irregular: false,
  since_ms: null, stopped: false, label: "", hidden: false, notice: null, ...tile,
});

// Converts a tile to {state, look, title, reason}.
export function interpret(tile) {
  if (tile.link === "live") return { ...explain(tile), state: tile.state };
  if (LINKS[tile.link]) return LINKS[tile.link];
  const asTime = Date.now() - tile.since_ms > TODAY_MS ? asDayAndMinute : asSecond;
  const since = tile.since_ms === null ? "before this hub's start" : asTime(tile.since_ms / 1000);
  const title = tile.link === "silent" ? "No messages" : tile.stopped ? "Stopped" : "Offline";
  return { state: "offline", look: "offline", title, reason: `Nothing received since ${since}.` };
}

export const rank = (tile, { state, look }) => (look === "nobody" ? NOBODY_RANK : RANKS[state]);

export const nameOf = (tile) => tile.label || tile.device;

export const movementOf = (tile) => (tile.link === "live" ? MOVING[tile.movement] ?? "" : "");

export const asRate = (rate_bpm) => (rate_bpm === null ? NONE : String(Math.round(rate_bpm)));
