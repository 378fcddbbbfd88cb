"""`radarecg fhir-bridge`: subscribes to the vitals and ECG of all devices and stores them as FHIR Observations.

A message is spooled on arrival and deleted once its Observation is stored, so that neither an unavailable FHIR server
nor a killed bridge loses any. A message that can never be stored is set aside as a dead letter, and one that fails
again and again is passed over for a while: neither blocks the others. While the bridge is not connected, the broker
keeps its messages until they expire: live messages for seconds, backfill for a day. Two bridges share the work if the
broker supports shared subscriptions (MQTT 5). A message that is delivered twice gives the same Observation: the same
file, or a conditional create that the server ignores.
"""

from __future__ import annotations

import base64
import errno
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge.core.errors import InputError
from edge.core.files import PRIVATE, write_atomic
from edge.fhir.dead_letters import DeadLetters
from edge.fhir.observation import Resource, Version, observation
from edge.fhir.server import SUSPECT_CODES, RefusedError, UnavailableError
from edge.mqtt.broker import Broker
from edge.mqtt.payloads import EcgPayload, VitalsPayload, encode
from edge.mqtt.spool import Spool, StoredMessage
from edge.mqtt.subscriber import Subscriber
from edge.mqtt.topics import ECG, VITALS, backfill

LIVE = (VITALS, ECG)
BACKFILL = tuple(backfill(live.suffix) for live in LIVE)
GROUP = "radarecg-fhir"
PERIOD_S = 0.5
BATCH_SIZE = 100
MAX_WAIT_S = 30.0
MAX_TRIES = 5
HEALTHY_S = 60.0
UNREADABLE = "unreadable message"
REPLAYED = "of a replayed recording"
MAX_REPORTED_TOPICS = 1000
PERMANENT_ERRORS = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.EEXIST}
"""Errors of a file's name, which a retry does not end."""

Store = Callable[[Resource], None]
"""Stores an Observation. Raises RefusedError, OSError."""

log = logging.getLogger(__name__)


class Forwarder:
    """Stores the spooled messages through `store`, oldest first; a message that cannot be stored now stays spooled."""

    def __init__(self, spool: Spool, store: Store, letters: DeadLetters, version: Version) -> None:
        self._spool, self._store, self._letters, self._version = spool, store, letters, version
        self._wait_s = PERIOD_S
        self._backfill_cursor = self._tries = 0  # position in the spool; failed attempts for the next message
        self._suspects: set[int] = set()  # skipped after MAX_TRIES, so that others are not delayed
        self._faults: dict[int | str, float] = {}  # reported faults, and the last time of each
        self._unreadable_topics: set[str] = set()  # each is logged once
        self.stored = 0
        self.refused: Counter[str] = Counter()

    def forward(self, stopping: threading.Event) -> float:
        """Store the next messages; return how long to wait before the next call, in seconds."""
        waiting = self._spool.oldest(self._backfill_cursor, BATCH_SIZE)
        for stored in waiting:
            if stopping.is_set():
                break
            try:
                self._forward_one(stored)
            except OSError as error:
                return self._retry(stored, error)
            self._tries, self._wait_s = 0, PERIOD_S
            self._spool.delete([stored.number])
            self._suspects.discard(stored.number)
            self._report_recovery()
        if len(waiting) < BATCH_SIZE:
            self._backfill_cursor = 0  # retry the skipped messages
        return 0.0

    def _forward_one(self, stored: StoredMessage) -> None:
        try:
            resource = _observation(stored, self._version)
        except Exception as error:  # whatever a message does to the decoder, it must not stop the bridge
            self._set_aside(stored, error)
            return
        if resource is None:
            self.refused[REPLAYED] += 1
            return
        try:
            self._store(resource)
            self.stored += 1
        except RefusedError as error:
            letter = {"status": error.status, "answer": error.answer, "resource": resource}
            self._letters.keep(stored.number, letter)
            self.refused[error.status] += 1
            if self.refused[error.status] == 1:
                log.error(
                    "the Observation of a message on %s is refused: %s %s; it is saved in %s, as are all others "
                    "refused with this status",
                    *(stored.suffix, error.status, " ".join(error.answer.split())[:300], self._letters.folder),
                )

    def _set_aside(self, stored: StoredMessage, error: Exception) -> None:
        """Save a message that cannot be converted as a dead letter. Raises OSError."""
        reason = str(error) if isinstance(error, ValueError) else repr(error)
        payload = base64.b64encode(stored.payload).decode()
        letter = {"status": UNREADABLE, "answer": reason, "topic": stored.suffix, "payload_base64": payload}
        self._letters.keep(stored.number, letter)
        self.refused[UNREADABLE] += 1
        if stored.suffix not in self._unreadable_topics and len(self._unreadable_topics) < MAX_REPORTED_TOPICS:
            self._unreadable_topics.add(stored.suffix)
            log.error(
                "cannot convert a message on %s to an Observation: %s; it is saved in %s, as are all others",
                *(stored.suffix, reason, self._letters.folder),
            )

    def _retry(self, stored: StoredMessage, error: OSError) -> float:
        """Record a failure; return how long to wait, in seconds."""
        code, after_s = (error.code, error.retry_after_s) if isinstance(error, UnavailableError) else (None, 0.0)
        fault = code or str(error)
        if fault not in self._faults:
            log.warning("cannot store an Observation (%s); it stays in the spool, retrying", error)
        self._faults[fault] = time.monotonic()
        self._tries += 1
        may_concern_one = code in SUSPECT_CODES or not isinstance(error, UnavailableError)
        if may_concern_one and (self._tries == MAX_TRIES or stored.number in self._suspects):
            self._suspects.add(stored.number)
            self._backfill_cursor, self._tries = stored.number, 0
        self._wait_s = min(2 * self._wait_s, MAX_WAIT_S)
        return max(self._wait_s, after_s)

    def _report_recovery(self) -> None:
        if self._faults and time.monotonic() - max(self._faults.values()) > HEALTHY_S:
            self._faults.clear()
            log.info("Observations are stored again; %d messages wait", self._spool.count().messages)


def run_bridge(
    broker: Broker, spool: Spool, store: Store, letters: DeadLetters, version: Version, stopping: threading.Event
) -> None:
    """Run until stopped; retry failed Observations, save refused ones as dead letters."""
    forwarder, is_connected = Forwarder(spool, store, letters, version), False
    # Two sessions, each with the expiry of its messages, so that a long absence ends the session of live messages.
    subscribers = [
        Subscriber(
            broker,
            f"{GROUP}-{spool.identity}-{name}",
            GROUP,
            topics,
            "if the spool is a copy of another bridge's, delete it and restart",
            spool.append,
        )
        for name, topics in (("live", LIVE), ("backfill", BACKFILL))
    ]
    due_s = 0.0
    try:
        while not stopping.wait(PERIOD_S):
            spool.sync()
            if is_connected != all(subscriber.is_subscribed for subscriber in subscribers):
                is_connected = not is_connected
                if is_connected:
                    _report_connected(broker, subscribers)
            if time.monotonic() >= due_s:
                wait_s = forwarder.forward(stopping)
                due_s = time.monotonic() + wait_s
    finally:
        for subscriber in subscribers:
            subscriber.close()
        refused = ", ".join(f"{count} ({kind})" for kind, count in forwarder.refused.items()) or "0"
        waiting = spool.count().messages
        log.info("stopped: %d Observations stored, %s refused, %d messages wait", forwarder.stored, refused, waiting)
        spool.close()


def _report_connected(broker: Broker, subscribers: list[Subscriber]) -> None:
    log.info("connected to the broker at %s", broker.address)
    if not all(subscriber.is_shared for subscriber in subscribers):
        log.warning("this broker does not support shared subscriptions: with two bridges, each receives every message")


def _observation(stored: StoredMessage, version: Version) -> Resource | None:
    """Convert a message; None for one of a replay, which is no measurement.

    Raises ValueError, RecursionError and others; a retry would fail too.
    """
    payload = msgspec.json.decode(stored.payload, type=VitalsPayload | EcgPayload)
    resource = observation(payload, version)
    # Access lists restrict a device to topics with its own name, so only the name in the topic can be trusted.
    if stored.suffix not in {topic.name(payload.device) for topic in (*LIVE, *BACKFILL)}:
        raise ValueError(f"its payload names another device, {payload.device}")
    return None if payload.replayed else resource


def folder_store(target: str) -> Store:
    """Return a function that stores Observations in a folder. Raises InputError."""
    folder = Path(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: neither a writable folder nor a URL ({error.strerror})") from error
    return lambda resource: _write(folder, resource)


def _write(folder: Path, resource: Resource) -> None:
    """Atomically writes one file per message: DEVICE/BOOT-SEQ.json. Raises RefusedError, OSError."""
    device, boot, seq = resource["identifier"][0]["value"].split("/")
    path = folder / device / f"{boot}-{seq}.json"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, encode(resource), PRIVATE)
    except OSError as error:
        if error.errno in PERMANENT_ERRORS:
            raise RefusedError("file cannot exist", str(error)) from error
        raise
