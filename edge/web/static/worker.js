// One stream for all tabs of this page: a browser opens at most six connections to a host, and each stream needs one.

import { openStream } from "./stream.js";

const pages = new Set(); // their ports
let close = null;
let hello = null; // the first message of the connection, sent again to tabs that are opened later

onconnect = ({ ports: [page] }) => {
  page.onmessage = ({ data }) => (data === "join" ? join(page) : leave(page));
};

function join(page) {
  pages.add(page);
  if (hello !== null) page.postMessage(hello);
  close ??= openStream(
    (text) => {
      hello ??= text;
      send(text);
    },
    () => {
      hello = null;
      send(null);
    },
  );
}

function leave(page) {
  pages.delete(page);
  if (pages.size > 0) return;
  close?.();
  close = hello = null;
}

function send(message) {
  for (const page of pages) page.postMessage(message);
}
