// The connection to the device: one stream for all tabs where the browser can share it.

import { openStream } from "./stream.js";

const LIVE_TIMEOUT_MS = 3000; // vitals come every second
const TOO_MANY_PAGES = " This browser keeps no more than six of these pages open.";

// Calls `receive(message)` with each message, and `lose(hint)` when the connection breaks or nothing comes any more.
export function connect(receive, lose) {
  let isShared = true;
  let received_ms = performance.now();
  const onLost = () => lose(isShared ? "" : TOO_MANY_PAGES);
  const onText = (text) => {
    received_ms = performance.now();
    receive(JSON.parse(text));
  };
  const connectAlone = () => {
    isShared = false;
    openStream(onText, onLost);
  };

  setInterval(() => performance.now() - received_ms > LIVE_TIMEOUT_MS && onLost(), 500);
  try {
    const worker = new SharedWorker("worker.js", { type: "module" });
    worker.onerror = connectAlone;
    worker.port.onmessage = ({ data }) => (data === null ? onLost() : onText(data));
    const join = () => worker.port.postMessage("join");
    const leave = () => worker.port.postMessage("leave");
    // A page in the back/forward cache does not process messages; they would accumulate.
    addEventListener("pagehide", leave);
    addEventListener("pageshow", join);
    document.addEventListener("freeze", leave);
    document.addEventListener("resume", join);
    join();
  } catch {
    connectAlone(); // a browser without shared workers
  }
}
