"""Broadcast of messages to all open pages without blocking the sender: a slow page loses its oldest messages."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

MAX_QUEUED_MESSAGES = 64
"""Queue length per page: about six seconds."""


class Feed:
    """Sends each message to every active `listen`; thread-safe."""

    def __init__(self) -> None:
        self._inboxes: list[deque[bytes]] = []
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0
        """Messages dropped because a page was too slow."""

    @property
    def listeners(self) -> int:
        """Number of open streams: one per browser, whatever its number of tabs."""
        return len(self._inboxes)

    def send(self, event: bytes) -> None:
        """Queues an event for every open stream."""
        with self._changed:
            for inbox in self._inboxes:
                self.dropped += len(inbox) == MAX_QUEUED_MESSAGES
                inbox.append(event)
            self._changed.notify_all()

    def close(self) -> None:
        """End every current and future `listen`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @contextmanager
    def listen(self) -> Iterator[Iterator[bytes]]:
        """Yield an iterator over all events sent from now on, until the feed is closed."""
        inbox: deque[bytes] = deque(maxlen=MAX_QUEUED_MESSAGES)
        with self._changed:
            self._inboxes.append(inbox)
        try:
            yield self._messages(inbox)
        finally:
            with self._changed:
                # By identity: deques with the same messages are equal.
                self._inboxes = [other for other in self._inboxes if other is not inbox]

    def _messages(self, inbox: deque[bytes]) -> Iterator[bytes]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: inbox or self._closed)
                if self._closed:
                    return
                event = inbox.popleft()
            yield event
