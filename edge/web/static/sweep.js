// Times of a device to places on a screen that is drawn from left to right, over and over, as a monitor does.

export const SPAN_S = 8;
const BLANK_S = 0.3; // ahead of the pen
const RING_SPANS = 4; // spans
const JITTER_MS = 300; // how much later than usual a message may come without being late
const RECENT_MS = 3000;
const STEP_MS = 5000; // more is not the network but a clock that was set, or a page that slept

// The moment, on the device's clock, that is drawn now: as late as its data need to arrive.
export class Pen {
  #arrivals = []; // {delay_ms, now_ms}, the latest at the end

  // A message arrived whose first sample is of `t_ms`.
  record(t_ms, now_ms) {
    const delay_ms = now_ms - t_ms;
    const stepped = this.#arrivals.length && Math.abs(delay_ms - this.#delay_ms) > STEP_MS;
    this.#arrivals = stepped ? [] : this.#arrivals.filter((one) => now_ms - one.now_ms < RECENT_MS);
    this.#arrivals.push({ delay_ms, now_ms });
  }

  at(now_ms) {
    return this.#arrivals.length ? now_ms - this.#delay_ms - JITTER_MS : null;
  }

  get #delay_ms() {
    return Math.min(...this.#arrivals.map((one) => one.delay_ms));
  }
}

// Times of numbered samples: by their number while they continue (a clock that runs differently tears nothing apart),
// by the clock where they do not.
export class Timeline {
  #zero_ms = null;
  #rate_hz = 1;

  follow({ t_ms, sample0, rate_hz, continues }) {
    this.#rate_hz = rate_hz;
    if (this.#zero_ms === null || !continues) this.#zero_ms = t_ms - (sample0 * 1000) / rate_hz;
  }

  at(number) {
    return this.#zero_ms + (number * 1000) / this.#rate_hz;
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
    this.#values = new Array(RING_SPANS * this.shown.length).fill(null);
    this.#places = new Array(RING_SPANS * this.shown.length).fill(-1);
  }

  place(t_ms) {
    return Math.round((t_ms * this.rate_hz) / 1000);
  }

  put(place, value) {
    this.#values[place % this.#values.length] = value;
    this.#places[place % this.#places.length] = place;
    if (this.#isShown(place)) this.shown[place % this.shown.length] = value; // late, but not too late
  }

  // Draws up to the pen; returns whether anything changed.
  advance(t_ms) {
    const to = this.place(t_ms);
    const n = this.shown.length;
    if (this.#head === null || Math.abs(to - this.#head) > n) this.#head = to - n;
    if (to <= this.#head) return false;
    for (let place = this.#head + 1; place <= to; place++) {
      const slot = place % this.#places.length;
      this.shown[place % n] = this.#places[slot] === place ? this.#values[slot] : null;
    }
    for (let k = 1; k <= this.#blankColumns; k++) this.shown[(to + k) % n] = null;
    this.#head = to;
    return true;
  }

  // How far along the screen, 0 to 1, a place is; null when it is not there now.
  along(place) {
    return this.#isShown(place) ? (place % this.shown.length) / this.shown.length : null;
  }

  #isShown(place) {
    return this.#head !== null && place <= this.#head && place > this.#head - this.shown.length + this.#blankColumns;
  }

  get #blankColumns() {
    return Math.round(BLANK_S * this.rate_hz);
  }
}
