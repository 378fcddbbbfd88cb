"""Broadcast of messages to all open pages without blocking the sender: a slow page loses its oldest messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

MAX_QUEUED_MESSAGES = 64
"""Queue length per page: about six seconds."""


class Feed:
    """Sends each message to every active `listen`. `send` and `close` may be called from any thread.

    Everything else runs in the event loop's thread, which alone changes the queues.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._inboxes: set[asyncio.Queue[bytes]] = set()
        self._closed = False
        self.dropped = 0
        """Messages dropped because a page was too slow."""

    @property
    def listeners(self) -> int:
        """Number of open streams: one per browser, whatever its number of tabs."""
        return len(self._inboxes)

    def send(self, event: bytes) -> None:
        """Queue an event for every open stream."""
        with suppress(RuntimeError):  # the loop is closed, and with it every stream
            self._loop.call_soon_threadsafe(self._deliver, event)

    def close(self) -> None:
        """End every current and future `listen`."""
        self._closed = True
        self.send(b"")  # ends the waiting of each stream

    async def listen(self, first: bytes) -> AsyncIterator[bytes]:
        """Yield `first`, then all events sent from now on, until the feed is closed."""
        inbox: asyncio.Queue[bytes] = asyncio.Queue(MAX_QUEUED_MESSAGES)
        inbox.put_nowait(first)
        self._inboxes.add(inbox)
        try:
            while (event := await inbox.get()) and not self._closed:
                yield event
        finally:
            self._inboxes.discard(inbox)

    def _deliver(self, event: bytes) -> None:
        for inbox in self._inboxes:
            if inbox.full():
                inbox.get_nowait()
                self.dropped += 1
            inbox.put_nowait(event)
