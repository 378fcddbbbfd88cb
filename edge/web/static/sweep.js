// Times of a device to places on a screen that is drawn from left to right, over and over, as a monitor does.

export const SPAN_S = 8;
const ERASED_S = 0.3; // ahead of the pen
const KEPT = 4; // spans
const JITTER_MS = 300; // how much later than usual a message may come without being late
const RECENT = 30; // messages
const STEP_MS = 5000; // more is not the network but a clock that was set, or a page that slept

// The moment, on the device's clock, that is drawn now: as late as its data need to arrive.
export class Pen {
  #delays = [];

  // A message arrived whose first sample is of `t_ms`.
  heard(t_ms, now_ms) {
    const delay = now_ms - t_ms;
    if (this.#delays.length && delay > Math.min(...this.#delays) + STEP_MS) this.#delays = [];
    this.#delays.push(delay);
    if (this.#delays.length > RECENT) this.#delays.shift();
  }

  at(now_ms) {
    return this.#delays.length ? now_ms - Math.min(...this.#delays) - JITTER_MS : null;
  }
}

// Values of a fixed rate. `shown` is what is on the screen: SPAN_S of it, null where there is nothing.
export class Sweep {
  #values; // ring of what came, ahead of the pen and behind it
  #places; // whose value it is
  #head = null; // the last place drawn

  constructor(rate_hz) {
    this.rate_hz = rate_hz;
    this.shown = new Array(SPAN_S * rate_hz).fill(null);
    this.#values = new Array(KEPT * this.shown.length).fill(null);
    this.#places = new Array(KEPT * this.shown.length).fill(-1);
  }

  place(t_ms) {
    return Math.round((t_ms * this.rate_hz) / 1000);
  }

  put(place, value) {
    this.#values[place % this.#values.length] = value;
    this.#places[place % this.#places.length] = place;
    const late = this.#head !== null && place <= this.#head;
    if (late && place > this.#head - this.shown.length + this.#erased) this.shown[place % this.shown.length] = value;
  }

  // Draws up to the pen; returns whether anything changed.
  advance(t_ms) {
    const to = this.place(t_ms);
    const n = this.shown.length;
    if (this.#head === null || Math.abs(to - this.#head) > n) {
      this.shown.fill(null);
      this.#head = to - 1;
    }
    if (to <= this.#head) return false;
    for (let place = this.#head + 1; place <= to; place++) {
      const slot = place % this.#places.length;
      this.shown[place % n] = this.#places[slot] === place ? this.#values[slot] : null;
    }
    for (let k = 1; k <= this.#erased; k++) this.shown[(to + k) % n] = null;
    this.#head = to;
    return true;
  }

  // The places on the screen now, from the oldest to the newest.
  isShown(place) {
    return this.#head !== null && place <= this.#head && place > this.#head - this.shown.length + this.#erased;
  }

  get #erased() {
    return Math.round(ERASED_S * this.rate_hz);
  }
}

// Numbers of samples to places: by their number while they continue, by their time where they do not.
export class Numbering {
  #anchor = null;

  place(sweep, { t_ms, sample0, continues }) {
    const byTime = sweep.place(t_ms);
    const byNumber = this.#anchor + sample0;
    const apart_s = Math.abs(byNumber - byTime) / sweep.rate_hz;
    if (this.#anchor === null || !continues || apart_s > 0.15) this.#anchor = byTime - sample0;
    return this.#anchor + sample0;
  }
}
