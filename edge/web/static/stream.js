// Server-sent events with automatic reconnection.

const RETRY_MS = 3000;

// Calls `receive` with each message's text and `onLost` when the connection breaks; returns a function that closes it.
export function openStream(receive, onLost, address = "events") {
  let events, retry;
  const open = () => {
    events = new EventSource(address);
    events.onmessage = ({ data }) => receive(data);
    events.onerror = () => {
      onLost();
      if (events.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS); // otherwise the browser retries
    };
  };
  open();
  return () => {
    clearTimeout(retry);
    events.close();
  };
}
