// How far the trace on the screen can be trusted: the verdict's look, per fifth of a second of the sweep.

import { SPAN_S, Sweep } from "./sweep.js";

const LOOKS_PER_S = 5;
const COUNT = SPAN_S * LOOKS_PER_S;

export class Trust {
  #sweep = new Sweep(LOOKS_PER_S);
  #latest = null; // the latest look, for samples whose own verdict has not come yet
  #latest_place = -Infinity;

  // Records the look of the second that ends at `t_ms`.
  put(t_ms, look) {
    const last = this.#sweep.place(t_ms);
    const isNext = last - this.#latest_place < 2 * LOOKS_PER_S && last > this.#latest_place; // vitals may come a little late
    for (let place = isNext ? this.#latest_place + 1 : last - LOOKS_PER_S + 1; place <= last; place++) this.#sweep.put(place, look);
    [this.#latest, this.#latest_place] = [look, last];
  }

  advance(t_ms) {
    this.#sweep.advance(t_ms);
  }

  // Returns for each of `count` samples across the screen whether its second is good.
  good(count) {
    return Array.from({ length: count }, (_, k) => this.#at(Math.floor((k * COUNT) / count)) === "good");
  }

  // Returns the stretches of movement on the screen as pairs of horizontal positions, 0 to 1.
  moving() {
    const stretches = [];
    this.#sweep.shown.forEach((look, k) => {
      if (look !== "moving") return;
      const from = k / COUNT;
      if (stretches.at(-1)?.[1] === from) stretches.at(-1)[1] = (k + 1) / COUNT;
      else stretches.push([from, (k + 1) / COUNT]);
    });
    return stretches;
  }

  #at(k) {
    return this.#sweep.shown[k] ?? this.#latest;
  }
}
