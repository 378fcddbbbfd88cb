// The page: listens to /events, says in words what it hears, and says when it hears nothing.

import { Picture } from "./picture.js";
import { Pen, Timeline } from "./sweep.js";
import { Trace } from "./trace.js";
import { explain } from "./words.js";

const SILENT_MS = 3000; // vitals come every second
const RETRY_MS = 3000;
const SPEAK_MS = 15000; // a screen reader is not to talk all the time
const FRAME_MS = 33;

const at = (id) => document.getElementById(id);
const number = (value, digits) => (value === null ? "--" : value.toFixed(digits));

const timeline = new Timeline();
const pen = new Pen();
const trace = new Trace(at("trace"));
const picture = new Picture(at("picture"));
let heard_ms = performance.now();
let spoken = { text: "", look: "", at_ms: -SPEAK_MS };

const handlers = {
  hello({ device, has_ecg }) {
    at("device").textContent = device;
    at("trace-name").textContent = has_ecg ? "Reconstructed ECG" : "Heart waveform";
    at("sst").hidden = at("ecg-delay").hidden = !has_ecg;
  },

  trace(message) {
    timeline.follow(message);
    pen.heard(timeline.at(message.sample0), performance.now());
    trace.put(message, timeline);
    at("delay").textContent = number(message.delay_ms / 1000, 1);
  },

  spectrogram(message) {
    picture.put(message, timeline);
  },

  vitals(v) {
    const { look, title, reason } = explain(v);
    at("interval").textContent = v.ci95_bpm ? `${number(v.ci95_bpm[0], 0)} to ${number(v.ci95_bpm[1], 0)}` : "";
    show(v.heart_rate_bpm, look, title, reason);
    at("breathing").textContent = number(v.breathing_rate_bpm, 0);
    at("distance").textContent = number(v.chest_range_m, 2);
    at("quality").textContent = number(v.sqi, 2);
    at("processing").textContent = v.flags.includes("stale") ? "--" : v.delay_ms;
    at("loss").textContent = v.lost.toLocaleString("en");
    at("of-frames").textContent = `of ${(v.frames + v.lost).toLocaleString("en")}`;
  },
};

function show(rate_bpm, look, title, reason) {
  const rate = number(rate_bpm, 0);
  at("rate").textContent = rate;
  at("now").dataset.look = look;
  at("shape").setAttribute("href", `#${look}`);
  at("verdict").textContent = title;
  at("reason").textContent = reason;
  document.title = `${rate} · ${title} · radarecg`;
  speak(rate_bpm === null ? `No heart rate. ${title}. ${reason}` : `Heart rate ${rate} per minute. ${title}.`, look);
}

function speak(text, look) {
  const now_ms = performance.now();
  if (text === spoken.text || (look === spoken.look && now_ms - spoken.at_ms < SPEAK_MS)) return;
  at("spoken").textContent = text;
  spoken = { text, look, at_ms: now_ms };
}

function setLink(link) {
  if (document.body.dataset.link === link) return;
  document.body.dataset.link = link;
  at("link").textContent = { live: "Live", lost: "Not live" }[link];
  at("lost").hidden = link === "live";
  if (link === "live") return;
  at("lost").textContent = "Connection lost. Nothing below is live; trying again.";
  show(null, "unusable", "Not connected", "The page does not hear the device.");
  for (const id of ["breathing", "distance", "quality", "processing", "delay"]) at(id).textContent = "--";
}

function listen() {
  const events = new EventSource("events");
  events.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    heard_ms = performance.now();
    setLink("live");
    handlers[message.event](message);
  };
  events.onerror = () => {
    setLink("lost");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS); // else the browser itself tries again
  };
}

let drawn_ms = 0;

function draw(now_ms) {
  const t_ms = pen.at(now_ms);
  if (t_ms !== null && now_ms - drawn_ms >= FRAME_MS) {
    drawn_ms = now_ms;
    trace.advance(t_ms);
    picture.advance(t_ms);
  }
  requestAnimationFrame(draw);
}

setInterval(() => performance.now() - heard_ms > SILENT_MS && setLink("lost"), 500);
listen();
requestAnimationFrame(draw);
