// Announcements for screen readers: each change of the verdict, but a changed rate only now and then.

const MIN_INTERVAL_MS = 15_000;

export class Announcer {
  #box;
  #latest = { text: "", look: "", at_ms: -MIN_INTERVAL_MS };

  constructor(box) {
    this.#box = box;
  }

  announce(text, look) {
    const now_ms = performance.now();
    const { text: last, look: lastLook, at_ms } = this.#latest;
    if (text === last || (look === lastLook && now_ms - at_ms < MIN_INTERVAL_MS)) return;
    this.#box.textContent = text;
    this.#latest = { text, look, at_ms: now_ms };
  }
}
