"""Sends notices to one receiver in order, and retries until it has them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

FIRST_WAIT_S, MAX_WAIT_S = 1.0, 60.0
MAX_WAITING = 1000

log = logging.getLogger(__name__)


class Delivery:
    """A queue with a thread. `send` sends one message and raises OSError if it should be retried.

    Never blocks the caller. If more than MAX_WAITING messages wait, the oldest is dropped.
    """

    def __init__(self, receiver: str, send: Callable[[bytes], object], first_wait_s: float = FIRST_WAIT_S) -> None:
        self._receiver, self._send, self._first_wait_s = receiver, send, first_wait_s
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._is_failing = False
        self.sent = self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
        self._thread.start()

    def put(self, message: bytes) -> None:
        """Queue a message."""
        with self._changed:
            self._waiting.append(message)
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
                if self.dropped == 1:
                    log.error("more than %d notices wait for %s; the oldest are dropped", MAX_WAITING, self._receiver)
            self._changed.notify()

    def close(self, timeout_s: float = 2.0) -> None:
        """Stop after the message that is being sent."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
            if self._waiting:
                log.warning("%d notices for %s were not sent", len(self._waiting), self._receiver)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closing.is_set())
                message = self._waiting.popleft() if self._waiting else None
            if message is not None:
                self._send_until_received(message)

    def _send_until_received(self, message: bytes) -> None:
        wait_s = self._first_wait_s
        while not self._closing.is_set():
            try:
                self._send(message)
            except OSError as error:
                if not self._is_failing:
                    log.warning("cannot send a notice to %s (%s); retrying", self._receiver, error)
                self._is_failing = True
                self._closing.wait(wait_s)
                wait_s = min(2 * wait_s, MAX_WAIT_S)
                continue
            if self._is_failing:
                log.info("notices reach %s again", self._receiver)
            self._is_failing = False
            self.sent += 1
            return
