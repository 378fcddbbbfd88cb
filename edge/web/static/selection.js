// Chooses a stretch of the strip: with a pointer by a click or by dragging, or with the keyboard.

const CLICK_PX = 5; // a pointer that moves less clicks

// `strip` is the element with the strip. `view()` returns {from_s, to_s, step_s, cursor_s} or null; `timeAt(x)` converts
// positions. Calls `move(t_s)` for the cursor, `preview(from_s, to_s)` while a stretch grows, `choose(from_s, to_s)` at
// its end (both equal after a click), and `cancel()`.
export function listenForSelection(strip, { view, timeAt, move, preview, choose, cancel }) {
  let start = null; // {x, t_s} of the pointer
  let anchor_s = null; // of the keyboard

  strip.addEventListener("pointerdown", (event) => {
    if (!view() || event.button !== 0) return;
    start = { x: event.clientX, t_s: timeAt(event.clientX) };
    strip.setPointerCapture(event.pointerId);
  });
  strip.addEventListener("pointermove", (event) => {
    if (!view()) return;
    const t_s = timeAt(event.clientX);
    move(t_s);
    if (start && Math.abs(event.clientX - start.x) >= CLICK_PX) preview(...ordered(start.t_s, t_s));
  });
  strip.addEventListener("pointerup", (event) => {
    if (!start) return;
    const isClick = Math.abs(event.clientX - start.x) < CLICK_PX;
    const stretch = isClick ? [start.t_s, start.t_s] : ordered(start.t_s, timeAt(event.clientX));
    start = null;
    choose(...stretch);
  });
  strip.addEventListener("pointercancel", () => {
    start = null;
    cancel();
  });

  strip.addEventListener("keydown", (event) => {
    const now = view();
    if (!now || event.ctrlKey || event.altKey || event.metaKey) return;
    const cursor_s = now.cursor_s ?? now.to_s - now.step_s / 2;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    const target_s = { Home: now.from_s, End: now.to_s }[event.key] ?? (steps && cursor_s + steps * now.step_s);
    if (target_s !== undefined) {
      const t_s = Math.min(Math.max(target_s, now.from_s), now.to_s);
      anchor_s = event.shiftKey ? (anchor_s ?? cursor_s) : null;
      move(t_s);
      if (event.shiftKey) preview(...ordered(anchor_s, t_s));
    } else if (event.key === "Enter" || event.key === " ") {
      choose(...ordered(anchor_s ?? cursor_s, cursor_s));
      anchor_s = null;
    } else if (event.key === "Escape") {
      anchor_s = null;
      cancel();
    } else return;
    event.preventDefault();
  });
}

const ordered = (a_s, b_s) => (a_s <= b_s ? [a_s, b_s] : [b_s, a_s]);
