// The strip: heart rate over minutes to days, its 95 % interval as a band, grey where the rate was withheld, and lanes
// with ticks for movement, absence and events.

import { isWithheld } from "./columns.js";
import { css, onThemeChange } from "./theme.js";
import { asDay, asMinute, asSecond } from "./times.js";

const LANE = 13; // height in CSS pixels
const LANES = ["moved", "away", "events"];
const LANES_HEIGHT = LANES.length * LANE + 6;
const AXIS_WIDTH = 52;
const MIN_TICK_OPACITY = 0.3;
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86400;
const SPLITS_S = [1, 5, 10, 30, ...[1, 2, 5, 10, 30].map((n) => n * MINUTE_S), ...[1, 2, 4, 6, 12].map((n) => n * HOUR_S), ...[1, 2, 5].map((n) => n * DAY_S)];
// Flags that the other lanes or the grey stretches show already.
const SHOWN_ELSEWHERE = ["body_movement", "no_subject", "warming_up", "low_snr", "model_uncertain"];

export const isEventShown = ({ kind, flag }) => kind !== "flag_ended" && !SHOWN_ELSEWHERE.includes(flag);

export class Strip {
  #box;
  #plot = null;
  #columns = null;
  #events = [];
  #from_s = 0;
  #to_s = 1;
  #cursor_s = null;
  #onDrawn;

  constructor(box, onDrawn) {
    this.#box = box;
    this.#onDrawn = onDrawn;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(box);
    onThemeChange(() => this.#plot?.redraw(false));
  }

  show(columns, events, from_s, to_s) {
    [this.#columns, this.#events, this.#from_s, this.#to_s] = [columns, events.filter(isEventShown), from_s, to_s];
    const middles = columns.t_s.map((t_s) => t_s + columns.resolution_s / 2);
    const data = [middles, columns.ci95_low_bpm, columns.ci95_high_bpm, columns.heart_rate_bpm];
    if (this.#plot) this.#plot.setData(data);
    else this.#build(data);
  }

  mark(cursor_s) {
    this.#cursor_s = cursor_s;
    this.#plot?.redraw(false);
  }

  // Shows the chosen stretch; null ends it.
  choose(stretch) {
    const [left, right] = stretch ? stretch.map((t_s) => this.#plot.valToPos(t_s, "x")) : [0, 0];
    this.#plot?.setSelect({ left, top: 0, width: stretch ? Math.max(2, right - left) : 0, height: this.#plot.over.clientHeight }, false);
  }

  // Returns the time at a horizontal position in the window, limited to the strip.
  timeAt(client_x) {
    const { left, width } = this.#plot.over.getBoundingClientRect();
    const along = Math.min(Math.max((client_x - left) / width, 0), 1);
    return this.#from_s + along * (this.#to_s - this.#from_s);
  }

  #build(data) {
    const axis = { stroke: () => css("--soft"), font: "12px system-ui, sans-serif", ticks: { show: false } };
    const grid = { stroke: () => css("--grid"), width: 1 };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        padding: [8, 12, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { range: () => [this.#from_s, this.#to_s] }, y: { range: () => this.#range() } },
        axes: [
          { ...axis, grid, incrs: SPLITS_S, space: 70, values: labels, size: 24, gap: 4 },
          { ...axis, grid, size: AXIS_WIDTH, splits: () => this.#rates() },
        ],
        series: [
          {},
          { stroke: "transparent", width: 0, points: { show: false } },
          { stroke: "transparent", width: 0, points: { show: false } },
          { stroke: () => css("--trace"), width: 1.5, points: { show: true, size: 3, filter: isolated } },
        ],
        bands: [{ series: [2, 1], fill: () => css("--band") }],
        hooks: {
          drawClear: [(plot) => this.#drawWithheld(plot)],
          draw: [(plot) => this.#drawLanes(plot), (plot) => this.#drawCursor(plot), () => this.#onDrawn()],
        },
      },
      data,
      this.#box,
    );
  }

  // The rates' range in tens, and room for the lanes below.
  #range() {
    const [low, high] = this.#limits();
    const height = Math.max(this.#box.clientHeight - 32, 2 * LANES_HEIGHT);
    return [low - ((high - low) * LANES_HEIGHT) / (height - LANES_HEIGHT), high];
  }

  #limits() {
    const rates = this.#columns.heart_rate_bpm.filter((rate) => rate !== null);
    return [Math.min(50, ...rates.map((rate) => 10 * Math.floor(rate / 10 - 0.5))), Math.max(100, ...rates.map((rate) => 10 * Math.ceil(rate / 10 + 0.5)))];
  }

  #rates() {
    const [low, high] = this.#limits();
    const step = high - low > 80 ? 40 : 20;
    return Array.from({ length: 9 }, (_, k) => (Math.ceil(low / step) + k) * step).filter((rate) => rate <= high);
  }

  #drawWithheld({ ctx, bbox, valToPos }) {
    const { t_s, resolution_s } = this.#columns;
    ctx.save();
    ctx.fillStyle = css("--withheld");
    const height = bbox.height - LANES_HEIGHT * devicePixelRatio;
    for (let from = 0; from < t_s.length; from++) {
      if (!isWithheld(this.#columns, from)) continue;
      let to = from + 1;
      while (to < t_s.length && isWithheld(this.#columns, to)) to++;
      const [left, right] = [t_s[from], t_s[to - 1] + resolution_s].map((t) => clamp(valToPos(t, "x", true), bbox));
      ctx.fillRect(left, bbox.top, Math.max(1, right - left), height);
      from = to;
    }
    ctx.restore();
  }

  #drawLanes({ ctx, bbox, valToPos }) {
    const { t_s, resolution_s, moving, present } = this.#columns;
    const scale = devicePixelRatio;
    const top = (lane) => bbox.top + bbox.height - (LANES.length - lane) * LANE * scale;
    const tick = (lane, from_s, to_s, colour, opacity) => {
      const [left, right] = [from_s, to_s].map((t) => clamp(valToPos(t, "x", true), bbox));
      ctx.globalAlpha = Math.max(opacity, MIN_TICK_OPACITY);
      ctx.fillStyle = colour;
      ctx.fillRect(left, top(lane) + 2 * scale, Math.max(2 * scale, right - left), (LANE - 4) * scale);
    };
    const [alarm, neutral, event, soft] = ["--alarm", "--neutral", "--beat", "--soft"].map(css);
    ctx.save();
    t_s.forEach((t, k) => {
      if (moving[k] > 0) tick(0, t, t + resolution_s, alarm, moving[k]);
      if (present[k] !== null && present[k] < 1) tick(1, t, t + resolution_s, neutral, 1 - present[k]);
    });
    for (const { t_s: t } of this.#events) if (t >= this.#from_s && t <= this.#to_s) tick(2, t, t, event, 1);
    ctx.globalAlpha = 1;
    ctx.fillStyle = soft;
    ctx.font = `${11 * scale}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    LANES.forEach((name, lane) => ctx.fillText(name, bbox.left - 6 * scale, top(lane) + (LANE / 2) * scale));
    ctx.restore();
  }

  #drawCursor({ ctx, bbox, valToPos }) {
    if (this.#cursor_s === null) return;
    ctx.save();
    ctx.fillStyle = css("--ink");
    ctx.fillRect(clamp(valToPos(this.#cursor_s, "x", true), bbox), bbox.top, devicePixelRatio, bbox.height);
    ctx.restore();
  }

  #size() {
    return { width: this.#box.clientWidth, height: this.#box.clientHeight };
  }
}

// Midnight has its date.
function labels(_plot, splits_s, _axis, _space, step_s) {
  const label = step_s < MINUTE_S ? asSecond : asMinute;
  return splits_s.map((t_s) => (step_s >= DAY_S || asSecond(t_s) === "00:00:00" ? asDay(t_s) : label(t_s)));
}

const clamp = (x, bbox) => Math.min(Math.max(x, bbox.left), bbox.left + bbox.width);

// Returns the values without neighbours, which a line cannot show.
function isolated(plot, series) {
  const values = plot.data[series];
  return values.flatMap((value, k) => (value !== null && (values[k - 1] ?? null) === null && (values[k + 1] ?? null) === null ? [k] : []));
}
