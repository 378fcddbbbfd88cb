// The page: shows the messages of /events, and reports a lost connection.

import { Announcer } from "./announcer.js";
import { connect } from "./connection.js";
import { setUpControls } from "./controls.js";
import { History } from "./history.js";
import { Memory } from "./memory.js";
import { Picture } from "./picture.js";
import { Placement } from "./placement.js";
import "./shapes.js";
import { Pen, Timeline } from "./sweep.js";
import { wantsLessMotion } from "./theme.js";
import { asSecond } from "./times.js";
import { Trace } from "./trace.js";
import { explain, TRACES } from "./words.js";

const FRAME_MS = 33;
const FRAME_LESS_MOTION_MS = 1000;

const byId = (id) => document.getElementById(id);
const number = (value, digits) => (value === null ? "--" : value.toFixed(digits));

const trace = new Trace(byId("trace"));
const picture = new Picture(byId("picture"));
const placement = new Placement(byId("placement-open"), byId("placement"));
const announcer = new Announcer(byId("spoken"));
const memory = new Memory();
const past = new History(memory);
let timeline = new Timeline();
let pen = new Pen();
let hasEcg = false;
let isPastKnown = false; // whether the history was asked for since the connection began
let shownTrace = null; // "ecg" or "waveform"

const handlers = {
  hello({ device, has_ecg }) {
    hasEcg = has_ecg;
    byId("device").textContent = device;
    byId("sst").hidden = byId("ecg-delay").hidden = !has_ecg;
    isPastKnown = false;
  },

  trace(message) {
    if (message.of !== shownTrace) begin(message.of);
    timeline.follow(message);
    pen.record(timeline.at(message.sample0), performance.now());
    trace.put(message, timeline);
    byId("delay").textContent = number(shownTrace === "ecg" ? message.delay_ms / 1000 : null, 1);
    byId("personalised").hidden = !message.personalised;
  },

  spectrogram(message) {
    picture.put(message, timeline);
  },

  placement(message) {
    placement.put(message);
  },

  vitals(v) {
    const { look, title, reason, note } = explain(v);
    const isStale = v.flags.includes("stale"); // without frames there is no signal quality, and time goes on
    const t_ms = isStale ? v.t_ms + v.delay_ms : v.t_ms;
    trace.judge(t_ms, look);
    showInterval(v.ci95_bpm);
    show(v.heart_rate_bpm, look, title, reason);
    byId("note").textContent = note;
    byId("breathing").textContent = number(v.breathing_rate_bpm, 0);
    byId("distance").textContent = number(v.chest_range_m, 2);
    byId("clock").textContent = asSecond(t_ms / 1000);
    showDetails(v, isStale);
    remember(t_ms / 1000, v);
  },
};

function showInterval(ci95_bpm) {
  byId("interval").hidden = !ci95_bpm;
  byId("interval-limits").textContent = ci95_bpm ? ci95_bpm.map((limit) => number(limit, 0)).join(" to ") : "";
}

function showDetails(v, isStale) {
  byId("rmssd").textContent = number(v.rmssd_ms, 0);
  byId("sdnn").textContent = number(v.sdnn_ms, 0);
  byId("beats").textContent = v.n_beats ?? "--";
  byId("quality").textContent = number(isStale ? null : v.sqi, 2);
  byId("processing").textContent = isStale ? "--" : v.delay_ms;
  byId("loss").textContent = v.lost.toLocaleString("en");
  byId("of-frames").textContent = `of ${(v.frames + v.lost).toLocaleString("en")}`;
}

function remember(t_s, v) {
  memory.put(t_s, v);
  if (!isPastKnown) past.load();
  else if (past.isLive && !document.hidden) past.draw();
  isPastKnown = true;
}

// Switches to the other trace, which has its own delay and sample numbers.
function begin(of) {
  shownTrace = of;
  timeline = new Timeline();
  pen = new Pen();
  picture.clear();
  const { name, caption } = TRACES[of === "waveform" && hasEcg ? "waiting" : of];
  byId("trace-name").textContent = name;
  byId("trace-caption").textContent = caption;
}

function show(rate_bpm, look, title, reason) {
  const rate = number(rate_bpm, 0);
  byId("rate").textContent = rate;
  byId("now").dataset.look = look;
  byId("now").dataset.rate = rate_bpm === null ? "withheld" : "valid";
  byId("shape").setAttribute("href", `#${look}`);
  byId("verdict").textContent = title;
  byId("reason").textContent = reason;
  byId("trace").setAttribute("aria-label", `The last eight seconds; ${trace.beatCount} beats marked; ${title}`);
  document.title = `${rate} · ${title} · radarecg`;
  announcer.announce(rate_bpm === null ? `No heart rate. ${title}. ${reason}` : `Heart rate ${rate} per minute. ${title}.`, look);
}

function setLink(link) {
  if (document.body.dataset.link === link) return false;
  document.body.dataset.link = link;
  byId("link").textContent = { live: "Live", lost: "Not live" }[link];
  byId("lost").hidden = link === "live";
  return true;
}

function receive(message) {
  setLink("live");
  handlers[message.event]?.(message); // a device may send messages that this page does not show
  document.dispatchEvent(new CustomEvent(message.event, { detail: message })); // for replay.js
}

function lose(hint) {
  if (!setLink("lost")) return;
  byId("lost").textContent = `Connection lost. Nothing below is live; reconnecting.${hint}`;
  show(null, "unusable", "Not connected", "No data from the device.");
  showInterval(null);
  for (const figure of document.querySelectorAll("dd > span, #clock")) figure.textContent = "--";
}

let drawn_ms = 0;

function draw(now_ms) {
  const t_ms = pen.at(now_ms);
  const isPaused = document.body.classList.contains("paused"); // set by replay.js
  if (t_ms !== null && !isPaused && now_ms - drawn_ms >= (wantsLessMotion() ? FRAME_LESS_MOTION_MS : FRAME_MS)) {
    drawn_ms = now_ms;
    trace.advance(t_ms);
    picture.advance(t_ms);
  }
  requestAnimationFrame(draw);
}

setUpControls();
connect(receive, lose);
requestAnimationFrame(draw);
