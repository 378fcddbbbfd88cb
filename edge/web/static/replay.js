// The control bar of a replay: shown only if the hello message says that the data are a recording's.

const SKIP_S = 10;

const byId = (id) => document.getElementById(id);
const bar = byId("replay");
const toggle = byId("replay-toggle");
const position = byId("replay-position");
let isPaused = false;
let isDragged = false; // while the user drags the position, messages do not move it

const post = (action) => fetch(`replay/${action}`, { method: "POST" });
const seek = (seconds) => post(`seek?s=${Math.max(0, Math.round(seconds))}`);

function minutes(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function showTime(seconds) {
  const text = `${minutes(seconds)} of ${minutes(Number(position.max))}`;
  byId("replay-time").textContent = `${text} · ${bar.dataset.speed}x${isPaused ? " · paused" : ""}`;
  position.setAttribute("aria-valuetext", text);
}

document.addEventListener("hello", ({ detail }) => {
  bar.hidden = !detail.is_replay;
  if (!detail.is_replay) return;
  byId("link").textContent = "Replay";
});

document.addEventListener("replay", ({ detail: { position_s, duration_s, speed, is_paused } }) => {
  isPaused = is_paused;
  document.body.classList.toggle("paused", is_paused); // the traces stand still
  toggle.textContent = is_paused ? "Resume" : "Pause";
  position.max = Math.ceil(duration_s);
  bar.dataset.speed = speed;
  if (isDragged) return;
  position.value = position_s;
  showTime(position_s);
});

toggle.addEventListener("click", () => post(isPaused ? "resume" : "pause"));
position.addEventListener("input", () => {
  isDragged = true;
  showTime(Number(position.value));
});
position.addEventListener("change", () => {
  isDragged = false;
  seek(Number(position.value));
});

document.addEventListener("keydown", (event) => {
  if (bar.hidden || event.target !== document.body || event.ctrlKey || event.altKey || event.metaKey) return;
  const actions = {
    " ": () => post(isPaused ? "resume" : "pause"),
    ArrowLeft: () => seek(Number(position.value) - SKIP_S),
    ArrowRight: () => seek(Number(position.value) + SKIP_S),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
});
