"""Sends live messages first and loses none: what cannot be delivered live follows on the backfill topics.

A message of a topic that is `SPOOLED` is spooled before it is sent, and deleted once the broker has confirmed it. A
live message is sent at once or not at all. What the broker did not confirm goes to the backfill topic, oldest first, at
a limited rate, whenever there is a connection. A consumer receives every message at least once, live messages in order
and backfilled messages in order; `boot` and `seq` in the payload identify the ones that it already has.

A message that the broker refuses, or that is too large for it, stays in the spool and blocks no other: backfill skips
it, and retries it at the next connection or after the last message of the spool.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import NamedTuple

from edge.mqtt.client import MqttClient, PublishToken
from edge.mqtt.spool import Spool, SpoolCount
from edge.mqtt.topics import SPOOLED, Topic, backfill

BACKFILL_PER_S = 50.0  # brokers queue few messages (some 1000) for a slow subscriber
MAX_LIVE_IN_FLIGHT = 12  # about two seconds of live messages
TICK_S = 0.1
SYNC_PERIOD_S = 1.0
REFUSED_PAUSE_S = 10.0  # before refused messages are retried; also the longest pause between refusals


class OutboxCount(NamedTuple):
    """Messages lost and waiting; `dropped`: since the start, neither confirmed nor spooled."""

    dropped: int
    spool: SpoolCount


class Outbox:
    """Publishes through `client`, spools in `spool`, and backfills at most `backfill_per_s` messages per second."""

    def __init__(self, client: MqttClient, spool: Spool, backfill_per_s: float) -> None:
        self._client, self._spool = client, spool
        self._per_tick = backfill_per_s * TICK_S
        self._allowance = 0.0
        self._live: dict[PublishToken, int | None] = {}  # in flight, with their numbers in the spool
        self._backfill_in_flight: dict[PublishToken, int] = {}
        self._delivered: set[int] = set()  # confirmed, but not yet deleted from the spool
        self._backfill_cursor = 0  # number of the last spooled message that backfill has handled
        self._first_refused: int | None = None  # lowest number that backfill skipped
        self._refusals = 0  # in a row
        self._resume_s = 0.0
        self._connection = 0
        self._dropped = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="backfill", daemon=True)
        self._thread.start()

    def publish(self, topic: Topic, payload: bytes) -> None:
        """Send the message now or spool it; count it as dropped if its topic is not in `SPOOLED`."""
        with self._lock:
            self._process_acks()
            number = self._spool.append(topic.suffix, payload) if topic in SPOOLED else None
            token = self._client.send(topic, payload) if len(self._live) < MAX_LIVE_IN_FLIGHT else None
            if token is not None:
                self._live[token] = number
            elif number is None:
                self._dropped += 1

    def count(self) -> OutboxCount:
        """Return the number of messages lost and waiting."""
        with self._lock:
            return OutboxCount(self._dropped, self._spool.count())

    def close(self, final_message: tuple[Topic, bytes], timeout_s: float = 2.0) -> None:
        """Wait briefly for messages in flight, publish the final message, and leave the rest in the spool."""
        self._closing.set()
        self._thread.join()
        deadline = time.monotonic() + timeout_s
        while (self._live or self._backfill_in_flight) and time.monotonic() < deadline:
            time.sleep(0.01)
            self._process_acks()
        self._client.close(final_message)
        self._spool.delete(self._delivered)
        self._spool.close()

    def _work(self) -> None:
        next_sync_s = time.monotonic()
        while not self._closing.wait(TICK_S):
            with self._lock:
                self._process_acks()
                self._backfill()
                delivered = list(self._delivered)
            if time.monotonic() >= next_sync_s:
                next_sync_s = time.monotonic() + SYNC_PERIOD_S
                if delivered and self._spool.delete(delivered):
                    with self._lock:
                        self._delivered.difference_update(delivered)
                self._spool.sync()

    def _process_acks(self) -> None:
        """Process acknowledgements, and requeue messages whose connection ended without one."""
        while True:
            try:
                token, refused = self._client.acks.get_nowait()
            except queue.Empty:
                break
            if token in self._backfill_in_flight:
                self._process_backfill_ack(self._backfill_in_flight.pop(token), refused)
            elif token in self._live:
                number = self._live.pop(token)
                if refused:
                    self._requeue(number)
                elif number is not None:
                    self._delivered.add(number)
        connection = self._client.connection
        for tokens in (self._live, self._backfill_in_flight):
            for token in [token for token in tokens if token.connection != connection]:
                self._requeue(tokens.pop(token))
        if connection != self._connection:
            self._connection = connection
            self._refusals, self._resume_s = 0, 0.0
            self._rewind_to_refused()

    def _process_backfill_ack(self, number: int, refused: bool) -> None:
        if not refused:
            self._delivered.add(number)
            self._refusals = 0
            return
        self._refusals += 1
        self._resume_s = time.monotonic() + min(TICK_S * 2 ** min(self._refusals, 10), REFUSED_PAUSE_S)
        self._first_refused = min(number, self._first_refused or number)

    def _requeue(self, number: int | None) -> None:
        if number is None:
            self._dropped += 1
        else:
            self._backfill_cursor = min(self._backfill_cursor, number - 1)

    def _rewind_to_refused(self) -> None:
        if self._first_refused is not None:
            self._backfill_cursor = min(self._backfill_cursor, self._first_refused - 1)
            self._first_refused = None

    def _backfill(self) -> None:
        self._allowance = min(self._allowance + self._per_tick, max(1.0, self._per_tick))
        room = int(self._allowance) - len(self._backfill_in_flight)
        if room < 1 or not self._client.connection or time.monotonic() < self._resume_s:
            return
        busy = self._delivered.union(self._live.values(), self._backfill_in_flight.values())
        for stored in self._spool.oldest(self._backfill_cursor, room + len(busy)):
            if stored.number not in busy:
                token = self._client.send(backfill(stored.suffix), stored.payload)
                if token is None:
                    return
                self._backfill_in_flight[token] = stored.number
                self._allowance -= 1
                room -= 1
            self._backfill_cursor = stored.number
            if not room:
                return
        if self._first_refused is not None and not self._backfill_in_flight:  # after the last message
            self._resume_s = time.monotonic() + REFUSED_PAUSE_S
            self._rewind_to_refused()
