// The panel with a stretch of the stored ECG: pages through it, and offers it for download.

import { exportAddress, getEcg } from "./past.js";
import { css, onThemeChange } from "./theme.js";
import { asDayAndSecond, asSecond } from "./times.js";
import { ECG_RANGE } from "./trace.js";

const PAGE_S = 20;
const MAX_EDF_S = 21_600; // the device refuses longer ones
const NARROW = 600; // CSS pixels; a narrower panel shows half a page

export class StoredEcg {
  #panel;
  #plot = null;
  #r_peaks = [];
  #page_s = PAGE_S;
  #shown_s = 0; // start of the page
  #from_s = 0; // the chosen stretch
  #to_s = 0;
  #request = 0; // the latest; answers to earlier ones are ignored
  #onPage;
  #onClose;

  // Calls `onPage(from_s, to_s)` for each page that is shown, `onClose()` when the panel is closed, and
  // `onEnlarge(from_s, to_s)` when the strip shall show the chosen stretch alone.
  constructor(panel, { onPage, onClose, onEnlarge }) {
    [this.#panel, this.#onPage, this.#onClose] = [panel, onPage, onClose];
    this.#on("close", () => this.close());
    panel.addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
    this.#on("earlier", () => this.#show(this.#shown_s - this.#page_s));
    this.#on("later", () => this.#show(this.#shown_s + this.#page_s));
    this.#on("enlarge", () => onEnlarge(this.#from_s, this.#to_s));
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#part("plot"));
    onThemeChange(() => this.#plot?.redraw(false));
  }

  // Opens a chosen stretch; a moment (both times equal) becomes a page around it.
  open(from_s, to_s) {
    this.#panel.hidden = false;
    this.#page_s = this.#panel.clientWidth < NARROW ? PAGE_S / 2 : PAGE_S;
    const isMoment = from_s === to_s;
    this.#from_s = Math.floor(isMoment ? from_s - this.#page_s / 2 : from_s);
    this.#to_s = isMoment ? this.#from_s + this.#page_s : Math.max(Math.ceil(to_s), this.#from_s + 1);
    this.#part("chosen").textContent = `${asDayAndSecond(this.#from_s)} to ${asSecond(this.#to_s)}`;
    this.#part("edf").hidden = this.#to_s - this.#from_s > MAX_EDF_S;
    for (const format of ["csv", "edf"]) this.#part(format).href = exportAddress(format, this.#from_s, this.#to_s);
    this.#part("enlarge").hidden = this.#to_s - this.#from_s <= this.#page_s;
    for (const name of ["earlier", "later"]) this.#part(name).textContent = `${this.#page_s} s ${name}`;
    this.#panel.scrollIntoView({ block: "nearest" });
    this.#panel.focus({ preventScroll: true });
    this.#show(this.#from_s);
  }

  close() {
    if (this.#panel.hidden) return;
    this.#panel.hidden = true;
    this.#onClose();
  }

  async #show(from_s) {
    const request = ++this.#request;
    const to_s = from_s + this.#page_s;
    this.#shown_s = from_s;
    this.#onPage(from_s, to_s);
    this.#message("Loading");
    let ecg;
    try {
      ecg = await getEcg(from_s, to_s);
    } catch (error) {
      if (request === this.#request) this.#fail(error.message);
      return;
    }
    if (request === this.#request) this.#draw(ecg, from_s, to_s);
  }

  #fail(reason) {
    this.#part("plot").hidden = true;
    this.#message(reason);
  }

  #draw({ rate_hz, blocks }, from_s, to_s) {
    const [t_s, samples] = [[], []];
    for (const block of blocks) {
      if (t_s.length && block.t_s - t_s.at(-1) > 1.5 / rate_hz) {
        t_s.push(t_s.at(-1) + 1 / rate_hz);
        samples.push(null); // a gap
      }
      block.samples.forEach((sample, k) => {
        t_s.push(block.t_s + k / rate_hz);
        samples.push(sample);
      });
    }
    this.#r_peaks = blocks.flatMap((block) => block.r_peaks_s).filter((t) => t >= from_s && t < to_s);
    const isKnown = samples.some((sample) => sample !== null);
    this.#part("plot").hidden = !isKnown;
    if (!isKnown) return this.#message(`No ECG from ${asSecond(from_s)} to ${asSecond(to_s)}: none was reconstructed or it was deleted.`);
    this.#message(`${asSecond(from_s)} to ${asSecond(to_s)}, ${this.#r_peaks.length} R peaks`);
    if (this.#plot) this.#plot.setData([t_s, samples]);
    else this.#build([t_s, samples]);
  }

  #build(data) {
    const seconds = () => Array.from({ length: this.#page_s + 1 }, (_, k) => this.#shown_s + k);
    const isInside = (t_s) => t_s > this.#shown_s && t_s < this.#shown_s + this.#page_s; // at the edges there is no room
    const label = (t_s) => (t_s % 5 === 0 && isInside(t_s) ? asSecond(t_s) : "");
    this.#plot = new uPlot(
      {
        ...this.#size(),
        padding: [8, 0, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { range: () => [this.#shown_s, this.#shown_s + this.#page_s] }, y: { range: ECG_RANGE } },
        axes: [
          {
            stroke: () => css("--soft"), font: "12px system-ui, sans-serif", size: 24, gap: 4, ticks: { show: false },
            splits: seconds, values: (_, splits) => splits.map(label), grid: { stroke: () => css("--grid"), width: 1 },
          },
          { show: false },
        ],
        series: [{}, { stroke: () => css("--trace"), width: 1.5, points: { show: false } }],
        hooks: { draw: [(plot) => this.#drawPeaks(plot)] },
      },
      data,
      this.#part("plot"),
    );
  }

  #drawPeaks({ ctx, bbox, valToPos }) {
    const radius = 3 * devicePixelRatio;
    ctx.save();
    ctx.fillStyle = css("--beat");
    for (const t_s of this.#r_peaks) {
      ctx.beginPath();
      ctx.arc(valToPos(t_s, "x", true), bbox.top + 2 * radius, radius, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  }

  #message(text) {
    this.#part("message").textContent = text;
  }

  #part(name) {
    return this.#panel.querySelector(`[data-part="${name}"]`);
  }

  #on(name, act) {
    this.#part(name).addEventListener("click", act);
  }

  #size() {
    const { clientWidth: width, clientHeight: height } = this.#part("plot");
    return { width, height };
  }
}
