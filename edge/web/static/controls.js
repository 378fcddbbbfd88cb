// The buttons of the header: full screen, and the explanation of the words.

const byId = (id) => document.getElementById(id);

export function setUpControls() {
  const screen = byId("full-screen");
  screen.hidden = !document.fullscreenEnabled; // phones of some makers have none
  screen.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
  document.addEventListener("fullscreenchange", () => {
    screen.textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
  });
  byId("explain").addEventListener("click", () => byId("words").showModal());
  byId("words-close").addEventListener("click", () => byId("words").close());
}
