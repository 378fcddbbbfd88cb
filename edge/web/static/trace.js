// The trace: ECG or heart waveform with its beats, drawn by uPlot. Where the signal is not good, it is pale and dashed;
// where the person moves, it is hatched.

import { hatch } from "./hatch.js";
import { SPAN_S, Sweep } from "./sweep.js";
import { css, onThemeChange } from "./theme.js";
import { Trust } from "./trust.js";

export const ECG_RANGE = [-550, 1350]; // thousandths of the QRS complex's height
const SHRINK_FACTOR = 0.99; // of the waveform's range, per drawn picture
const MIN_CONFIDENCE = 0.5; // beats with less are drawn hollow

export class Trace {
  #box;
  #plot = null;
  #sweep = null;
  #trust = new Trust();
  #beats = []; // {place, confident}
  #of = null; // "ecg" or "waveform"
  #reach = [0, 0];

  constructor(box) {
    this.#box = box;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(box);
    onThemeChange(() => this.#plot?.redraw(false));
  }

  put(message, timeline) {
    if (this.#of !== message.of) {
      this.#of = message.of;
      this.#build(message.rate_hz);
    }
    const first = this.#sweep.place(timeline.at(message.sample0));
    message.samples.forEach((value, k) => this.#sweep.put(first + k, value));
    const beats = message.r_peaks.map((number, k) => ({
      place: this.#sweep.place(timeline.at(number)),
      confident: message.confidence[k] >= MIN_CONFIDENCE,
    }));
    this.#beats = [...this.#beats, ...beats].slice(-100);
  }

  // Records the verdict's look for the second that ends at `t_ms`.
  judge(t_ms, look) {
    this.#trust.put(t_ms, look);
  }

  advance(t_ms) {
    if (!this.#sweep?.advance(t_ms)) return;
    this.#trust.advance(t_ms);
    this.#plot.setData([this.#plot.data[0], ...this.#split()]);
  }

  get beatCount() {
    return this.#beats.filter(({ place }) => this.#sweep.along(place) !== null).length;
  }

  // Returns the samples with a good signal, and the others with one neighbour on each side so that the line continues.
  #split() {
    const shown = this.#sweep.shown;
    const good = this.#trust.good(shown.length);
    const isInside = (k) => good[k] && (good[k - 1] ?? true) && (good[k + 1] ?? true);
    return [shown.map((value, k) => (good[k] ? value : null)), shown.map((value, k) => (isInside(k) ? null : value))];
  }

  #build(rate_hz) {
    this.#sweep = new Sweep(rate_hz);
    this.#beats = [];
    this.#plot?.destroy();
    const seconds = this.#sweep.shown.map((_, k) => k / rate_hz);
    const lines = Array.from({ length: SPAN_S + 1 }, (_, k) => k);
    this.#plot = new uPlot(
      {
        ...this.#size(),
        padding: [8, 0, 8, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: [0, SPAN_S] }, y: { range: (_, low, high) => this.#range(low, high) } },
        axes: [
          { size: 0, splits: () => lines, values: () => [], ticks: { show: false }, grid: { stroke: () => css("--grid"), width: 1 } },
          { show: false },
        ],
        series: [
          {},
          { stroke: () => css("--trace"), width: 2, points: { show: false } },
          { stroke: () => css("--trace-pale"), width: 1.5, dash: [6, 4], points: { show: false } },
        ],
        hooks: { drawClear: [(plot) => this.#drawMovement(plot)], draw: [(plot) => this.#drawBeats(plot)] },
      },
      [seconds, ...this.#split()],
      this.#box,
    );
  }

  // The ECG has a fixed range; the waveform's range expands immediately and shrinks slowly.
  #range(low, high) {
    if (this.#of === "ecg") return ECG_RANGE;
    const [below, above] = this.#reach.map((reach) => reach * SHRINK_FACTOR);
    this.#reach = [Math.min(low ?? 0, below), Math.max(high ?? 0, above)];
    const margin = (this.#reach[1] - this.#reach[0]) * 0.08 || 1;
    return [this.#reach[0] - margin, this.#reach[1] + margin];
  }

  #drawMovement({ ctx, bbox }) {
    for (const [from, to] of this.#trust.moving()) {
      hatch(ctx, bbox.left + from * bbox.width, bbox.top, (to - from) * bbox.width, bbox.height, css("--hatch"));
    }
  }

  #drawBeats({ ctx, bbox }) {
    const radius = 3 * devicePixelRatio;
    ctx.save();
    ctx.setLineDash([]); // that of the last line drawn may still be set
    ctx.fillStyle = ctx.strokeStyle = css("--beat");
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const { place, confident } of this.#beats) {
      const along = this.#sweep.along(place);
      if (along === null) continue;
      ctx.beginPath();
      ctx.arc(bbox.left + along * bbox.width, bbox.top + 2 * radius, radius, 0, 2 * Math.PI);
      if (confident) ctx.fill();
      else ctx.stroke();
    }
    ctx.restore();
  }

  #size() {
    return { width: this.#box.clientWidth, height: this.#box.clientHeight };
  }
}
