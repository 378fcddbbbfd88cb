// Server-sent events, opened again whenever they end.

const RETRY_MS = 3000;

// Calls `receive` with each message's text and `onLost` when the connection breaks; returns what closes it.
export function openStream(receive, onLost) {
  let events, retry;
  const open = () => {
    events = new EventSource("events");
    events.onmessage = ({ data }) => receive(data);
    events.onerror = () => {
      onLost();
      if (events.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS); // else the browser itself tries again
    };
  };
  open();
  return () => {
    clearTimeout(retry);
    events.close();
  };
}
