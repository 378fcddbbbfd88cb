// The page's memory: the strip with its ranges, the choice of a stretch, and the stored ECG. Without a history on the
// device, it shows what this page has received itself.

import { describe, rowAt, summarise, toColumns } from "./columns.js";
import { exportAddress, getEvents, getVitals } from "./past.js";
import { listenForSelection } from "./selection.js";
import { StoredEcg } from "./stored_ecg.js";
import { isEventShown, Strip } from "./strip.js";

export const RANGES = { "10 min": 600, "1 h": 3600, "24 h": 86400, "30 d": 2592000 };
const REFRESH_MS = 60_000;
const NO_HISTORY = "This device stores no history: only what this page has received is shown.";
const SHORTEST_S = 10; // of an enlarged stretch

const byId = (id) => document.getElementById(id);

export class History {
  #memory;
  #strip;
  #panel;
  #range = "10 min"; // null while an enlarged stretch is shown
  #enlarged = null; // [from_s, to_s]
  #drawn = null; // name of the range of the data on the strip
  #stored = null; // the device's latest answer
  #events = [];
  #columns = null;
  #shown = null; // {from_s, to_s, step_s, cursor_s}
  #hasHistory = null; // null until the device has answered
  #request = 0; // the latest; answers to earlier ones are ignored

  constructor(memory) {
    this.#memory = memory;
    this.#strip = new Strip(byId("strip"), () => (byId("strip").dataset.shown = this.#drawn));
    this.#panel = new StoredEcg(byId("stored"), {
      onPage: (from_s, to_s) => this.#strip.choose([from_s, to_s]),
      onClose: () => this.#closed(),
      onEnlarge: (from_s, to_s) => this.#enlarge(from_s, to_s),
    });
    listenForSelection(byId("strip"), {
      view: () => this.#shown,
      timeAt: (x) => this.#strip.timeAt(x),
      move: (t_s) => this.#move(t_s),
      preview: (from_s, to_s) => this.#strip.choose([from_s, to_s]),
      choose: (from_s, to_s) => this.#hasHistory && this.#panel.open(from_s, to_s),
      cancel: () => (byId("stored").hidden ? this.#strip.choose(null) : this.#panel.close()),
    });
    for (const button of document.querySelectorAll("[data-range]")) {
      button.addEventListener("click", () => this.#select(button.dataset.range));
    }
    setInterval(() => document.hidden || this.load(), REFRESH_MS);
  }

  // Asks the device for the range on the screen. Does nothing before the first vitals, which bring the device's clock.
  async load() {
    if (this.#memory.now_s === null) return;
    const request = ++this.#request;
    const [from_s, to_s] = this.#limits();
    let note = "";
    const withoutEvents = (error) => {
      note = `Events are not shown: ${error.message}`; // there may be too many
      return [];
    };
    try {
      const answers = await Promise.all([getVitals(from_s, to_s), getEvents(from_s, to_s).catch(withoutEvents)]);
      if (request !== this.#request) return;
      [[this.#stored, this.#events], this.#hasHistory] = [answers, true];
    } catch (error) {
      if (request !== this.#request) return;
      if (error.status === 404) this.#hasHistory = false;
      note = this.#hasHistory === false ? NO_HISTORY : error.message;
    }
    byId("strip-note").textContent = note;
    if (this.#hasHistory === false) byId("readout").textContent = "";
    for (const button of document.querySelectorAll("[data-range]")) {
      button.disabled = this.#hasHistory === false && button.dataset.range !== "10 min";
    }
    this.draw();
  }

  // Draws the strip; called once a second, since the newest seconds come from this page's memory.
  draw() {
    const [from_s, to_s] = this.#limits();
    const answers = [this.#stored, this.#memory.answer()].filter(Boolean);
    this.#columns = toColumns(answers, from_s, to_s);
    this.#shown = { from_s, to_s, step_s: this.#columns.resolution_s, cursor_s: this.#shown?.cursor_s ?? null };
    this.#drawn = this.#range ?? "enlarged";
    this.#strip.show(this.#columns, this.#events, from_s, to_s);
    byId("summary").textContent = summarise(this.#columns);
    byId("download").hidden = !this.#hasHistory;
    byId("download").href = exportAddress("csv", Math.floor(from_s), Math.ceil(to_s));
  }

  // Whether the strip moves on with every second.
  get isLive() {
    return this.#range === "10 min";
  }

  #limits() {
    return this.#enlarged ?? [this.#memory.now_s - RANGES[this.#range], this.#memory.now_s];
  }

  #select(range) {
    [this.#range, this.#enlarged] = [range, null];
    this.#begin();
  }

  #enlarge(from_s, to_s) {
    [this.#range, this.#enlarged] = [null, [from_s, Math.max(to_s, from_s + SHORTEST_S)]];
    this.#begin();
  }

  #begin() {
    for (const button of document.querySelectorAll("[data-range]")) {
      button.setAttribute("aria-pressed", String(button.dataset.range === this.#range));
    }
    this.#stored = null;
    if (this.#shown) this.#shown.cursor_s = null;
    this.#strip.mark(null);
    this.#panel.close();
    this.load();
  }

  #move(t_s) {
    this.#shown.cursor_s = t_s;
    this.#strip.mark(t_s);
    const text = describe(this.#columns, rowAt(this.#columns, t_s), this.#events.filter(isEventShown));
    byId("readout").textContent = text;
    byId("strip").setAttribute("aria-valuetext", text);
    byId("strip").setAttribute("aria-valuenow", String(Math.round(t_s - this.#shown.to_s)));
    byId("strip").setAttribute("aria-valuemin", String(Math.round(this.#shown.from_s - this.#shown.to_s)));
  }

  #closed() {
    this.#strip.choose(null);
    byId("strip").focus();
  }
}
