// Requests to the device's history, /api/v1. Times are Unix seconds.

export class PastError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// Returns the answer; raises PastError with the device's reason, and status 0 if it could not be reached.
async function get(path, query) {
  let response, answer;
  try {
    response = await fetch(address(path, query));
    answer = await response.json().catch(() => null);
  } catch {
    throw new PastError("The device cannot be reached.", 0);
  }
  if (!response.ok || !answer) throw new PastError(answer?.error ?? `The device answered ${response.status}.`, response.status);
  return answer;
}

const address = (path, query) => `api/v1/${path}?${new URLSearchParams(query)}`;

export const getVitals = (from, to) => get("vitals", { from, to });
export const getEvents = async (from, to) => (await get("events", { from, to })).events;
export const getEcg = (from, to) => get("ecg", { from, to });
export const exportAddress = (format, from, to) => address(`export.${format}`, { from, to });
