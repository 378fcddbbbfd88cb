// The trace: ECG or heart waveform with its beats, drawn by uPlot.

import { SPAN_S, Sweep } from "./sweep.js";

const ECG_RANGE = [-550, 1350]; // thousandths of the QRS complex's height
const SHRINK_FACTOR = 0.99; // of the waveform's range, per drawn picture
const MIN_CONFIDENCE = 0.5; // beats with less are drawn hollow

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Trace {
  #box;
  #plot = null;
  #sweep = null;
  #beats = []; // {place, confident}
  #of = null; // "ecg" or "waveform"
  #reach = [0, 0];

  constructor(box) {
    this.#box = box;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#plot?.redraw(false));
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

  advance(t_ms) {
    if (this.#sweep?.advance(t_ms)) this.#plot.setData([this.#plot.data[0], this.#sweep.shown]);
  }

  #build(rate_hz) {
    this.#sweep = new Sweep(rate_hz);
    this.#beats = [];
    this.#plot?.destroy();
    const seconds = this.#sweep.shown.map((_, k) => k / rate_hz);
    const lines = (step) => Array.from({ length: SPAN_S / step + 1 }, (_, k) => k * step);
    this.#plot = new uPlot(
      {
        ...this.#size(),
        padding: [8, 0, 8, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: [0, SPAN_S] }, y: { range: (_, low, high) => this.#range(low, high) } },
        axes: [
          { size: 0, splits: () => lines(1), values: () => [], ticks: { show: false }, grid: { stroke: () => css("--grid"), width: 1 } },
          { show: false },
        ],
        series: [{}, { stroke: () => css("--trace"), width: 2, points: { show: false } }],
        hooks: { draw: [(plot) => this.#drawBeats(plot)] },
      },
      [seconds, this.#sweep.shown],
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

  #drawBeats(plot) {
    const { ctx, bbox } = plot;
    const radius = 3 * devicePixelRatio;
    ctx.save();
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
