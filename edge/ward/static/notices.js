// The list of notices, open ones first, and their announcement for screen readers.

import { setText } from "./text.js";
import { asMinute } from "./times.js";

const byId = (id) => document.getElementById(id);

export class Notices {
  #known = null; // ids of the open notices, null before the first list
  #nameOf;
  #acknowledge;

  constructor(nameOf, acknowledge) {
    [this.#nameOf, this.#acknowledge] = [nameOf, acknowledge];
  }

  show(notices, isAdmin) {
    const seen = (notice) => Boolean(notice.acknowledged_by);
    const open = notices.filter((notice) => notice.ended_ms === null).sort((a, b) => seen(a) - seen(b));
    const ended = notices.filter((notice) => notice.ended_ms !== null).reverse();
    byId("notices").hidden = notices.length === 0;
    byId("open-notices").replaceChildren(...open.map((notice) => this.#item(notice, isAdmin)));
    byId("ended").hidden = ended.length === 0;
    setText(byId("ended-name"), `Ended (${ended.length})`);
    byId("ended-notices").replaceChildren(...ended.map((notice) => this.#item(notice, false)));
    const fresh = open.filter(({ id }) => this.#known && !this.#known.has(id));
    if (fresh.length) setText(byId("spoken"), fresh.map((notice) => `Notice: ${this.#nameOf(notice.device)}, ${notice.text}`).join(". "));
    this.#known = new Set(open.map(({ id }) => id));
    const count = open.filter((notice) => !seen(notice)).length;
    setText(byId("open-count"), open.length ? String(open.length) : "none open");
    document.title = `${count ? `(${count}) ` : ""}radarecg ward`;
  }

  #item(notice, isAdmin) {
    const item = document.createElement("li");
    item.dataset.acknowledged = String(Boolean(notice.acknowledged_by));
    const times = notice.ended_ms === null ? `since ${asMinute(notice.began_ms / 1000)}` : `${asMinute(notice.began_ms / 1000)} to ${asMinute(notice.ended_ms / 1000)}`;
    const seen = notice.acknowledged_by ? `, acknowledged by ${notice.acknowledged_by}` : "";
    const name = Object.assign(document.createElement("b"), { textContent: this.#nameOf(notice.device) });
    const words = document.createElement("span");
    words.append(name, ` ${notice.text} (${times}${seen})`);
    item.append(words);
    if (isAdmin && !notice.acknowledged_by) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Acknowledge" });
      button.setAttribute("aria-label", `Acknowledge: ${this.#nameOf(notice.device)}, ${notice.text}`);
      button.addEventListener("click", () => this.#acknowledge(notice.id));
      item.append(button);
    }
    return item;
  }
}
