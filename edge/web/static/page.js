// The page: shows the messages of /events, and reports a lost connection.

import { Picture } from "./picture.js";
import { openStream } from "./stream.js";
import { Pen, Timeline } from "./sweep.js";
import { Trace } from "./trace.js";
import { explain } from "./words.js";

const LIVE_TIMEOUT_MS = 3000; // vitals come every second
const MIN_ANNOUNCEMENT_INTERVAL_MS = 15000; // limits the announcements of screen readers
const FRAME_MS = 33;

const byId = (id) => document.getElementById(id);
const number = (value, digits) => (value === null ? "--" : value.toFixed(digits));

const trace = new Trace(byId("trace"));
const picture = new Picture(byId("picture"));
let timeline = new Timeline();
let pen = new Pen();
let hasEcg = false;
let shownTrace = null; // "ecg" or "waveform"
let received_ms = performance.now();
let announced = { text: "", look: "", at_ms: -MIN_ANNOUNCEMENT_INTERVAL_MS };

const handlers = {
  hello({ device, has_ecg }) {
    hasEcg = has_ecg;
    byId("device").textContent = device;
    byId("sst").hidden = byId("ecg-delay").hidden = !has_ecg;
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

  vitals(v) {
    const { look, title, reason, note } = explain(v);
    byId("interval").textContent = v.ci95_bpm ? `${number(v.ci95_bpm[0], 0)} to ${number(v.ci95_bpm[1], 0)}` : "";
    show(v.heart_rate_bpm, look, title, reason);
    byId("note").textContent = note;
    byId("breathing").textContent = number(v.breathing_rate_bpm, 0);
    byId("distance").textContent = number(v.chest_range_m, 2);
    const stale = v.flags.includes("stale"); // without frames there is no signal quality
    byId("quality").textContent = number(stale ? null : v.sqi, 2);
    byId("processing").textContent = stale ? "--" : v.delay_ms;
    byId("loss").textContent = v.lost.toLocaleString("en");
    byId("of-frames").textContent = `of ${(v.frames + v.lost).toLocaleString("en")}`;
  },
};

// Switches to the other trace, which has its own delay and sample numbers.
function begin(of) {
  shownTrace = of;
  timeline = new Timeline();
  pen = new Pen();
  picture.clear();
  const waveform = hasEcg ? "Heart waveform; the ECG follows" : "Heart waveform";
  byId("trace-name").textContent = of === "ecg" ? "Reconstructed ECG" : waveform;
}

function show(rate_bpm, look, title, reason) {
  const rate = number(rate_bpm, 0);
  byId("rate").textContent = rate;
  byId("now").dataset.look = look;
  byId("shape").setAttribute("href", `#${look}`);
  byId("verdict").textContent = title;
  byId("reason").textContent = reason;
  document.title = `${rate} · ${title} · radarecg`;
  announce(rate_bpm === null ? `No heart rate. ${title}. ${reason}` : `Heart rate ${rate} per minute. ${title}.`, look);
}

function announce(text, look) {
  const now_ms = performance.now();
  if (text === announced.text || (look === announced.look && now_ms - announced.at_ms < MIN_ANNOUNCEMENT_INTERVAL_MS)) return;
  byId("spoken").textContent = text;
  announced = { text, look, at_ms: now_ms };
}

function setLink(link) {
  if (document.body.dataset.link === link) return;
  document.body.dataset.link = link;
  byId("link").textContent = { live: "Live", lost: "Not live" }[link];
  byId("lost").hidden = link === "live";
  if (link === "live") return;
  byId("lost").textContent = `Connection lost. Nothing below is live; reconnecting.${shared ? "" : TOO_MANY_PAGES}`;
  show(null, "unusable", "Not connected", "No data from the device.");
  for (const id of ["breathing", "distance", "quality", "processing", "delay"]) byId(id).textContent = "--";
}

const TOO_MANY_PAGES = " This browser keeps no more than six of these pages open.";
let shared = true; // whether this browser's tabs share one stream

function receive(text) {
  const message = JSON.parse(text);
  received_ms = performance.now();
  setLink("live");
  handlers[message.event]?.(message); // a device may send messages that this page does not show
  document.dispatchEvent(new CustomEvent(message.event, { detail: message })); // for replay.js
}

const onLost = () => setLink("lost");

function connect() {
  try {
    const worker = new SharedWorker("worker.js", { type: "module" });
    worker.onerror = connectAlone;
    worker.port.onmessage = ({ data }) => (data === null ? onLost() : receive(data));
    const join = () => worker.port.postMessage("join");
    const leave = () => worker.port.postMessage("leave");
    // A page in the back/forward cache does not process messages; they would accumulate.
    addEventListener("pagehide", leave);
    addEventListener("pageshow", join);
    document.addEventListener("freeze", leave);
    document.addEventListener("resume", join);
    join();
  } catch {
    connectAlone(); // a browser without shared workers
  }
}

function connectAlone() {
  shared = false;
  openStream(receive, onLost);
}

let drawn_ms = 0;

function draw(now_ms) {
  const t_ms = pen.at(now_ms);
  const isPaused = document.body.classList.contains("paused"); // set by replay.js
  if (t_ms !== null && !isPaused && now_ms - drawn_ms >= FRAME_MS) {
    drawn_ms = now_ms;
    trace.advance(t_ms);
    picture.advance(t_ms);
  }
  requestAnimationFrame(draw);
}

setInterval(() => performance.now() - received_ms > LIVE_TIMEOUT_MS && setLink("lost"), 500);
connect();
requestAnimationFrame(draw);
