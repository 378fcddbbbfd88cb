// The grid: a tile per device. Changes only what differs, and never moves the tiles under a reader's hands every second.

import { drawSparkline, Sparkline } from "./sparkline.js";
import { asRate, complete, interpret, movementOf, nameOf, rank } from "./states.js";

const TEMPLATE = `
  <button type="button" class="tile panel" tabindex="-1">
    <span class="head"><span class="name"></span><span class="id"></span></span>
    <span class="rate"></span>
    <span class="verdict"><svg class="shape" viewBox="0 0 64 64"><use></use></svg><span class="title"></span><span class="reason"></span></span>
    <svg class="sparkline" viewBox="0 0 120 40" preserveAspectRatio="none"><path class="withheld"/><path class="line"/></svg>
    <span class="foot"><span class="breathing"></span><span class="movement"></span><span class="range"></span></span>
    <span class="badge" hidden></span>
  </button>`;
const NOTICES = { offline: "Notice: offline", absent: "Notice: nobody present", no_rate: "Notice: no valid rate" };

export class Tile {
  #parts;
  #shown = {}; // what each part has

  constructor(device, bins) {
    this.item = document.createElement("li");
    this.item.innerHTML = TEMPLATE;
    this.item.dataset.device = device;
    this.button = this.item.firstElementChild;
    const part = (name) => this.item.querySelector(`.${name}`);
    this.#parts = Object.fromEntries(["name", "id", "rate", "title", "reason", "range", "breathing", "movement", "badge"].map((name) => [name, part(name)]));
    this.use = this.item.querySelector("use");
    this.spark = part("sparkline");
    this.sparkline = new Sparkline(bins);
    this.number = -1; // of the update that `data` is from
  }

  // Shows the tile as of update `number`, unless it already shows a later one.
  update(message, number) {
    if (number < this.number) return;
    this.number = number;
    this.data = complete(message);
    this.verdict = interpret(this.data);
    this.rank = rank(this.data, this.verdict);
    this.render();
  }

  // Shows that nothing is known about the device, since the page has no connection.
  disconnect() {
    this.data = { ...this.data, link: "waiting", heart_rate_bpm: null, breathing_rate_bpm: null };
    this.verdict = { state: "offline", look: "offline", title: "Not connected", reason: "This page has no connection to the hub." };
    this.number = -1;
    this.render();
  }

  render() {
    const { data, verdict } = this;
    const rate = asRate(data.heart_rate_bpm);
    const movement = movementOf(data);
    this.#text("name", nameOf(data));
    this.#text("id", data.label ? data.device : "");
    this.#text("rate", rate);
    this.#text("title", verdict.title);
    this.#text("reason", verdict.reason);
    this.#text("breathing", data.link === "live" ? `Breathing ${asRate(data.breathing_rate_bpm)}` : "");
    this.#text("movement", movement === verdict.title ? "" : movement);
    this.#text("badge", NOTICES[data.notice] ?? "");
    this.#set("badge hidden", !data.notice, (value) => (this.#parts.badge.hidden = value));
    this.#set("look", verdict.look, (value) => {
      this.button.dataset.look = value;
      this.use.setAttribute("href", `#${value}`);
    });
    const spoken = [nameOf(data), data.label && data.device, rate === "–" ? "no valid heart rate" : `heart rate ${rate} per minute`, verdict.title, verdict.reason, movement, NOTICES[data.notice]];
    this.#set("label", spoken.filter(Boolean).join(". "), (value) => this.button.setAttribute("aria-label", value));
  }

  drawSparkline() {
    drawSparkline(this.spark, this.sparkline);
    this.#text("range", this.sparkline.range());
  }

  #text(name, text) {
    this.#set(name, text, (value) => (this.#parts[name].textContent = value));
  }

  #set(name, value, change) {
    if (this.#shown[name] === value) return;
    this.#shown[name] = value;
    change(value);
  }
}

// Keyboard in the grid: one tab stop; arrow keys, Home and End move between the tiles that are shown.
export function setUpKeys(grid) {
  const buttons = () => [...grid.querySelectorAll("li:not([hidden]) button")];
  grid.addEventListener("focusin", ({ target }) => moveTabStop(grid, target));
  grid.addEventListener("keydown", (event) => {
    const all = buttons();
    const at = all.indexOf(document.activeElement);
    if (at < 0) return;
    const tops = all.map((button) => button.parentElement.offsetTop);
    const columns = tops.filter((top) => top === tops[0]).length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: all.length - 1 - at };
    if (!(event.key in steps)) return;
    event.preventDefault();
    all[Math.min(Math.max(at + steps[event.key], 0), all.length - 1)].focus();
  });
}

// Makes one tile the tab stop of the grid: the given one, or the first that is shown.
export function moveTabStop(grid, target = null) {
  const stop = target ?? grid.querySelector("li:not([hidden]) button");
  const old = grid.querySelector('button[tabindex="0"]');
  if (old === stop) return;
  if (old) old.tabIndex = -1;
  if (stop) stop.tabIndex = 0;
}
