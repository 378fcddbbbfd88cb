// Maps device times to screen positions of a sweep display: drawn from left to right repeatedly, as on a patient monitor.

export const SPAN_S = 8;
const BLANK_S = 0.3; // blank gap ahead of the pen
const RING_SPANS = 4; // length of the ring buffer in spans
const JITTER_MS = 300; // a message may arrive this much later than the fastest recent one
const RECENT_MS = 3000;
const STEP_MS = 5000; // a larger change means that a clock was set or the page was suspended

// The device time that is drawn now: delayed by the time that data need to arrive.
export class Pen {
  #arrivals = []; // {delay_ms, now_ms}, latest last

  // Records the arrival of a message whose first sample is of `t_ms`.
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

// Times of numbered samples: computed from the number within contiguous blocks, so that clock drift makes no gaps, and
// from the block's time stamp otherwise.
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

// Values at a fixed rate. `shown` holds the values on the screen (SPAN_S long), null where there is none.
// A `place` is the number of a value since time 0.
export class Sweep {
  #values; // ring buffer of values, before and after the pen
  #places; // place of each value
  #head = null; // last place drawn

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
    if (this.#isShown(place)) this.shown[place % this.shown.length] = value; // late, but still on the screen
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
    for (let k = 1; k <= this.#blankCount; k++) this.shown[(to + k) % n] = null;
    this.#head = to;
    return true;
  }

  // Returns the horizontal position of a place, 0 to 1; null if it is not on the screen.
  along(place) {
    return this.#isShown(place) ? (place % this.shown.length) / this.shown.length : null;
  }

  #isShown(place) {
    return this.#head !== null && place <= this.#head && place > this.#head - this.shown.length + this.#blankCount;
  }

  get #blankCount() {
    return Math.round(BLANK_S * this.rate_hz);
  }
}
