// Search, sort and filter: which tiles are shown, and in which order.

import { nameOf } from "./states.js";
import { setText } from "./text.js";
import { moveTabStop } from "./tiles.js";

const REORDER_MS = 5000; // tiles change places no more often than this by themselves

const collator = new Intl.Collator("en", { numeric: true });
const byName = (a, b) => collator.compare(nameOf(a.data), nameOf(b.data)) || collator.compare(a.data.device, b.data.device);
const rateOf = (tile) => tile.data.heart_rate_bpm ?? -1;
const ORDERS = {
  name: byName,
  state: (a, b) => Boolean(b.data.notice) - Boolean(a.data.notice) || a.rank - b.rank || byName(a, b),
  rate: (a, b) => rateOf(b) - rateOf(a) || byName(a, b),
};
const FILTERS = {
  all: () => true,
  notice: (tile) => tile.data.notice !== null,
  ...Object.fromEntries(["good", "degraded", "unusable", "offline"].map((state) => [state, (tile) => tile.verdict.state === state])),
};

const byId = (id) => document.getElementById(id);

export class Arrangement {
  #grid;
  #tiles;
  #filter = "all";
  #ordered_ms = -REORDER_MS;

  constructor(grid, tiles) {
    [this.#grid, this.#tiles] = [grid, tiles];
    byId("search").addEventListener("input", () => this.apply(true));
    byId("sort").addEventListener("change", () => this.apply(true));
    byId("tools").addEventListener("submit", (event) => event.preventDefault());
    byId("filters").addEventListener("click", ({ target }) => {
      const filter = target.closest("button")?.dataset.filter;
      if (!filter) return;
      this.#filter = filter;
      for (const button of byId("filters").children) button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
      this.apply(true);
    });
  }

  // Shows the tiles that match; puts them in order if the reader has `asked`, or some time after they got out of it.
  apply(asked = false) {
    const tiles = [...this.#tiles.values()];
    const words = byId("search").value.trim().toLowerCase();
    const matches = (tile) => !words || `${tile.data.label} ${tile.data.device}`.toLowerCase().includes(words);
    const isShown = (tile) => matches(tile) && (this.#filter === "hidden" ? tile.data.hidden : !tile.data.hidden && FILTERS[this.#filter](tile));
    let shown = 0;
    for (const tile of tiles) {
      const hidden = !isShown(tile);
      shown += !hidden;
      if (tile.item.hidden !== hidden) tile.item.hidden = hidden;
    }
    const now_ms = performance.now();
    if (asked || now_ms - this.#ordered_ms >= REORDER_MS) {
      this.#ordered_ms = now_ms;
      this.#order(tiles.sort(ORDERS[byId("sort").value]));
    }
    this.#showCounts(tiles, shown);
    const stop = this.#grid.querySelector('button[tabindex="0"]');
    if (!stop || stop.parentElement.hidden) moveTabStop(this.#grid);
  }

  #order(tiles) {
    const focused = document.activeElement;
    let next = this.#grid.firstElementChild;
    for (const { item } of tiles) {
      if (item === next) next = next.nextElementSibling;
      else this.#grid.insertBefore(item, next);
    }
    if (focused !== document.activeElement && this.#grid.contains(focused)) focused.focus({ preventScroll: true });
  }

  #showCounts(tiles, shown) {
    const visible = tiles.filter((tile) => !tile.data.hidden);
    for (const button of byId("filters").children) {
      const { filter } = button.dataset;
      const count = filter === "hidden" ? tiles.length - visible.length : visible.filter(FILTERS[filter]).length;
      setText(button.querySelector("b"), String(count));
    }
    const empty = tiles.length ? "" : "No device yet. A tile appears with the first message of a device that publishes to this hub's broker.";
    setText(byId("count"), shown === visible.length ? empty : `${shown} of ${tiles.length} devices shown`);
  }
}
