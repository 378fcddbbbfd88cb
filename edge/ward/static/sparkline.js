// Ten minutes of heart rate as two paths: the line, with gaps where there was no valid rate, and grey where vitals came
// without one. Values are per bin: a rate, 0 (withheld), or null (nothing received).

export const HEIGHT = 40;
const MIN_SPAN_BPM = 30; // a steady rate must not look restless
const MARGIN_BPM = 3;

export class Sparkline {
  #count;
  #values;
  #end = null; // number of the bin after the last value

  constructor(count) {
    this.#count = count;
    this.#values = new Array(count).fill(null);
  }

  load(values, end) {
    [this.#values, this.#end] = [values, end];
  }

  // Puts changed bins in, and moves on to `end`; returns whether anything changed.
  follow(bins, end) {
    const steps = this.#end === null ? 0 : Math.max(0, end - this.#end);
    for (let k = 0; k < Math.min(steps, this.#count); k++) this.#values.push(null);
    this.#values = this.#values.slice(-this.#count);
    this.#end = end;
    for (const [number, value] of bins) {
      const at = number - (end - this.#count);
      if (at >= 0 && at < this.#count) this.#values[at] = value;
    }
    return steps > 0 || bins.length > 0;
  }

  // Returns the paths in a box that is as wide as there are bins.
  paths() {
    const rates = this.#rates();
    const [low, high] = [Math.min(...rates), Math.max(...rates)];
    const span = Math.max(MIN_SPAN_BPM, high - low + 2 * MARGIN_BPM);
    const y = (rate) => (HEIGHT * (0.5 - (rate - (low + high) / 2) / span)).toFixed(1);
    let line = "";
    let withheld = "";
    this.#values.forEach((value, k) => {
      if (value === 0) withheld += `M${k} 0h1v${HEIGHT}h-1z`;
      else if (value !== null) line += this.#values[k - 1] ? `L${k + 0.5} ${y(value)}` : `M${k + 0.5} ${y(value)}h0`;
    });
    return { line, withheld };
  }

  // Returns the ten minutes in words.
  summary() {
    const rates = this.#rates();
    const share = (wanted) => Math.round((100 * this.#values.filter((value) => value === wanted).length) / this.#count);
    return [
      rates.length ? `${Math.min(...rates)} to ${Math.max(...rates)} per minute` : "No heart rate",
      ...(share(0) ? [`withheld ${share(0)} % of the time`] : []),
      ...(share(null) ? [`nothing received ${share(null)} %`] : []),
    ].join(", ");
  }

  // Returns the range in short.
  range() {
    const rates = this.#rates();
    return rates.length ? `${Math.min(...rates)}–${Math.max(...rates)}/min` : "";
  }

  #rates() {
    return this.#values.filter(Boolean);
  }
}

// Draws into an svg with a path for each.
export function drawSparkline(svg, sparkline) {
  const { line, withheld } = sparkline.paths();
  svg.querySelector(".line").setAttribute("d", line);
  svg.querySelector(".withheld").setAttribute("d", withheld);
}
