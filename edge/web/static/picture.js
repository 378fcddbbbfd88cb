// The SST beneath the trace, over the same eight seconds: one canvas column per column of the transform.

import { Sweep } from "./sweep.js";
import { css, onThemeChange } from "./theme.js";

export class Picture {
  #canvas;
  #sweep = null;
  #image = null;
  #colours = [];

  constructor(canvas) {
    this.#canvas = canvas;
    const paint = () => (this.#colours = ramp());
    onThemeChange(paint);
    paint();
  }

  put({ end_sample, rows, columns_per_s, cells }, timeline) {
    if (!this.#sweep) this.#build(rows, columns_per_s);
    const bytes = Uint8Array.from(atob(cells), (character) => character.charCodeAt(0));
    const columns = bytes.length / rows;
    const first = this.#sweep.place(timeline.at(end_sample)) - columns;
    for (let k = 0; k < columns; k++) this.#sweep.put(first + k, bytes.subarray(k * rows, (k + 1) * rows));
  }

  clear() {
    this.#sweep = null;
    this.#canvas.width = this.#canvas.width; // clears the canvas
  }

  advance(t_ms) {
    if (!this.#sweep?.advance(t_ms)) return;
    const { width, height, data } = this.#image;
    const pixels = new Uint32Array(data.buffer);
    this.#sweep.shown.forEach((column, x) => {
      for (let y = 0; y < height; y++) pixels[y * width + x] = column ? this.#colours[column[height - 1 - y]] : 0;
    });
    this.#canvas.getContext("2d").putImageData(this.#image, 0, 0);
  }

  #build(rows, columns_per_s) {
    this.#sweep = new Sweep(columns_per_s);
    this.#canvas.width = this.#sweep.shown.length;
    this.#canvas.height = rows;
    this.#image = new ImageData(this.#canvas.width, rows);
  }
}

// Returns 256 colours in the canvas's memory format (ABGR), from the theme's panel colour to its trace colour.
function ramp() {
  const stops = ["--sst-0", "--sst-1", "--sst-2"].map((name) =>
    css(name).match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16)),
  );
  return Array.from({ length: 256 }, (_, value) => {
    const position = (Math.sqrt(value / 255) * (stops.length - 1)); // the square root keeps weak cells visible beside strong ones
    const k = Math.min(Math.floor(position), stops.length - 2);
    const [r, g, b] = stops[k].map((low, c) => Math.round(low + (position - k) * (stops[k + 1][c] - low)));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}
