// The dialog of one device: its live trace, which the hub subscribes to only while the dialog is open, and the form of
// an administrator.

import { drawSparkline } from "./sparkline.js";
import { asRate, movementOf, nameOf, NONE } from "./states.js";
import { openStream } from "./stream.js";
import { Pen, Timeline } from "./sweep.js";
import { setText } from "./text.js";
import { wantsLessMotion } from "./theme.js";
import { Trace } from "./trace.js";
import { explain, TRACES } from "./words.js";

const FRAME_MS = 33;
const FRAME_LESS_MOTION_MS = 1000;

const dialog = document.getElementById("details");
const part = (name) => dialog.querySelector(`[data-part="${name}"]`);

export class Details {
  #tile = null;
  #send;
  #close = null; // ends the stream
  #trace = null;
  #of = null; // "ecg" or "waveform"
  #timeline = null;
  #pen = null;
  #drawn_ms = 0;

  // `send(path, content)` posts a change and returns the answer's problem, "" if there is none.
  constructor(send) {
    this.#send = send;
    part("close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // on the backdrop
    dialog.addEventListener("close", () => this.#end());
    part("admin").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#change("label", { label: part("label").value.trim() }, "Saved.");
    });
    part("hide").addEventListener("click", () => this.#change("hidden", { hidden: !this.#tile.data.hidden }, "Saved."));
  }

  get tile() {
    return this.#tile;
  }

  open(tile, isAdmin) {
    this.#tile = tile;
    this.#begin(null);
    part("admin").hidden = !isAdmin;
    part("label").value = tile.data.label;
    setText(part("answer"), "");
    for (const name of ["chest", "interval"]) setText(part(name), NONE);
    this.show();
    this.drawSparkline();
    this.#close = openStream((text) => this.#receive(JSON.parse(text)), () => {}, `tiles/${tile.data.device}/trace`);
    dialog.showModal();
    requestAnimationFrame((now_ms) => this.#draw(now_ms));
  }

  // Shows the tile's present data.
  show() {
    const { data, verdict } = this.#tile;
    setText(document.getElementById("details-name"), data.label ? `${nameOf(data)} (${data.device})` : data.device);
    setText(part("rate"), asRate(data.heart_rate_bpm));
    setText(part("title"), verdict.title);
    setText(part("reason"), verdict.reason);
    setText(part("breathing"), asRate(data.breathing_rate_bpm));
    setText(part("movement"), data.link === "live" ? movementOf(data) || "None" : NONE);
    setText(part("hide"), data.hidden ? "Show this device again" : "Hide this device");
    part("now").dataset.look = verdict.look;
    part("shape").setAttribute("href", `#${verdict.look}`);
    if (data.link !== "live") for (const name of ["chest", "interval"]) setText(part(name), NONE);
  }

  drawSparkline() {
    drawSparkline(part("sparkline"), this.#tile.sparkline);
    setText(part("summary"), this.#tile.sparkline.summary());
  }

  #receive(message) {
    if (message.event === "vitals") {
      this.#trace.judge(message.t_ms, explain(message).look);
      setText(part("chest"), message.chest_range_m === null ? NONE : message.chest_range_m.toFixed(2));
      setText(part("interval"), message.ci95_bpm ? message.ci95_bpm.map(Math.round).join(" to ") : NONE);
      return;
    }
    if (message.of !== this.#of) this.#begin(message.of);
    this.#timeline.follow(message);
    this.#pen.record(this.#timeline.at(message.sample0), performance.now());
    this.#trace.put(message, this.#timeline);
  }

  #begin(of) {
    const box = document.createElement("div");
    part("trace").replaceChildren(box);
    [this.#of, this.#trace, this.#timeline, this.#pen] = [of, new Trace(box), new Timeline(), new Pen()];
    setText(part("trace-name"), of ? TRACES[of].name : "Live trace");
    setText(part("trace-caption"), of ? `${TRACES[of].caption}.` : "Nothing received yet.");
  }

  #draw(now_ms) {
    if (!dialog.open) return;
    const t_ms = this.#pen.at(now_ms);
    if (t_ms !== null && now_ms - this.#drawn_ms >= (wantsLessMotion() ? FRAME_LESS_MOTION_MS : FRAME_MS)) {
      this.#drawn_ms = now_ms;
      this.#trace.advance(t_ms);
    }
    requestAnimationFrame((next_ms) => this.#draw(next_ms));
  }

  async #change(what, content, done) {
    setText(part("answer"), (await this.#send(`tiles/${this.#tile.data.device}/${what}`, content)) || done);
  }

  #end() {
    this.#close?.();
    this.#tile.button.focus();
    this.#tile = this.#close = null;
  }
}
