// The placement view, to aim the radar: echo strength over distance with the chosen distance, how far the chest is above
// the room, and the breathing of the last ten seconds. Hidden unless the device sends it.

import { css, onThemeChange } from "./theme.js";

const TIMEOUT_MS = 5000; // it is sent once a second
const BREATHING_RATE_HZ = 10;

const byId = (id) => document.getElementById(id);
const font = "12px system-ui, sans-serif";

export class Placement {
  #button;
  #panel;
  #profile = null; // plots
  #breathing = null;
  #chest_m = null;
  #received_ms = -Infinity;

  constructor(button, panel) {
    [this.#button, this.#panel] = [button, panel];
    button.addEventListener("click", () => this.#open(panel.hidden));
    new ResizeObserver(() => this.#resize()).observe(panel);
    onThemeChange(() => [this.#profile, this.#breathing].forEach((plot) => plot?.redraw(false)));
    setInterval(() => performance.now() - this.#received_ms > TIMEOUT_MS && this.#hide(), 1000);
  }

  put({ range_m, power_db, chest_range_m, contrast_db, breathing_mm, advice }) {
    this.#received_ms = performance.now();
    this.#button.hidden = false;
    this.#chest_m = chest_range_m;
    byId("chosen-distance").textContent = chest_range_m === null ? "--" : chest_range_m.toFixed(2);
    byId("contrast").textContent = contrast_db === null ? "--" : contrast_db.toFixed(0);
    if (byId("advice").textContent !== advice) byId("advice").textContent = advice;
    if (this.#panel.hidden) return;
    this.#draw([range_m, power_db], [breathing_mm.map((_, k) => (k + 1 - breathing_mm.length) / BREATHING_RATE_HZ), breathing_mm]);
    const strongest = range_m[power_db.indexOf(Math.max(...power_db))];
    byId("profile").setAttribute("aria-label", `Motion at each distance; the strongest is at ${strongest?.toFixed(2)} m`);
  }

  #open(isOpen) {
    this.#panel.hidden = !isOpen;
    this.#button.setAttribute("aria-expanded", String(isOpen));
  }

  #hide() {
    this.#button.hidden = true;
    this.#open(false);
  }

  #draw(profile, breathing) {
    if (this.#profile) {
      this.#profile.setData(profile);
      this.#breathing.setData(breathing);
      return;
    }
    const chest = (plot) => this.#drawChest(plot);
    this.#profile = plot(byId("profile"), profile, { unit: "m", name: "dB", hooks: { draw: [chest] } });
    this.#breathing = plot(byId("breathing-trace"), breathing, { unit: "s", name: "mm" });
  }

  #drawChest({ ctx, bbox, valToPos }) {
    if (this.#chest_m === null) return;
    const x = valToPos(this.#chest_m, "x", true);
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = css("--beat");
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.textAlign = x > bbox.left + bbox.width / 2 ? "right" : "left";
    ctx.fillText(" chest ", x, bbox.top);
    ctx.restore();
  }

  #resize() {
    this.#profile?.setSize(size(byId("profile")));
    this.#breathing?.setSize(size(byId("breathing-trace")));
  }
}

const size = (box) => ({ width: box.clientWidth, height: box.clientHeight });

function plot(box, data, { unit, name, hooks = {} }) {
  const axis = { stroke: () => css("--soft"), font, grid: { stroke: () => css("--grid"), width: 1 }, ticks: { show: false } };
  const values = (suffix) => (_, splits) => splits.map((value, k) => (k === splits.length - 1 ? `${value} ${suffix}` : String(value)));
  return new uPlot(
    {
      ...size(box),
      legend: { show: false },
      cursor: { show: false },
      padding: [10, 16, 0, 0],
      scales: { x: { time: false } },
      axes: [{ ...axis, size: 26, values: values(unit) }, { ...axis, size: 56, values: values(name) }],
      series: [{}, { stroke: () => css("--trace"), width: 2, points: { show: false } }],
      hooks,
    },
    data,
    box,
  );
}
