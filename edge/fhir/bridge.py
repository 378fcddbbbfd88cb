"""`radarecg fhir-bridge`: a hub's subscriber that turns every device's vitals and ECG into FHIR Observations.

A message is spooled as it arrives, and deleted once its Observation is stored: a FHIR server may be away, the bridge
may be killed. While the bridge itself is away, the broker keeps for it what does not expire: live messages for seconds,
backfill for a day. Two bridges share the work where the broker shares subscriptions (MQTT 5). A message that comes
twice makes the same Observation: the same file, or a conditional create that the server ignores.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge.core.errors import InputError
from edge.core.files import write_atomic
from edge.fhir.dead_letters import DeadLetters
from edge.fhir.observation import Resource, Version, observation
from edge.fhir.server import SUSPECT_CODES, RefusedError, UnavailableError
from edge.mqtt.broker import Broker
from edge.mqtt.payloads import EcgPayload, VitalsPayload, encode
from edge.mqtt.spool import Spool, Stored
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

Store = Callable[[Resource], None]
"""Stores an Observation. Raises RefusedError, OSError."""

log = logging.getLogger(__name__)


class Forwarder:
    """Passes what is in the spool to `store`, oldest first, and keeps what cannot be stored now."""

    def __init__(self, spool: Spool, store: Store, letters: DeadLetters, version: Version) -> None:
        self._spool, self._store, self._letters, self._version = spool, store, letters, version
        self._wait_s = PERIOD_S
        self._backfill_cursor = self._tries = 0  # in the spool; at the first message after that
        self._suspects: set[int] = set()  # messages that others did not wait for any longer
        self._faults: dict[int | str, float] = {}  # reported, and when each came last
        self.stored = 0
        self.refused: Counter[str] = Counter()

    def forward(self, stopping: threading.Event) -> float:
        """The next few messages; how long to wait before the next call."""
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
            self._backfill_cursor = 0  # back to those that were passed over
        return 0.0

    def _forward_one(self, stored: Stored) -> None:
        try:
            resource = _observation(stored, self._version)
        except ValueError as error:
            log.error("no Observation of a message on %s: %s", stored.suffix, error)
            return
        try:
            self._store(resource)
            self.stored += 1
        except RefusedError as error:
            self._letters.keep(stored.number, resource, error)
            self.refused[error.status] += 1
            if self.refused[error.status] == 1:
                log.error(
                    "no Observation of a message on %s: the FHIR server answers %s %s; kept in %s, as are all that get "
                    "this answer",
                    *(stored.suffix, error.status, " ".join(error.answer.split())[:300], self._letters.folder),
                )

    def _retry(self, stored: Stored, error: OSError) -> float:
        """Notes a failure; how long to wait."""
        code, after_s = (error.code, error.retry_after_s) if isinstance(error, UnavailableError) else (None, 0.0)
        fault = code or str(error)
        if fault not in self._faults:
            log.warning("cannot store an Observation (%s); all are kept, trying again", error)
        self._faults[fault] = time.monotonic()
        self._tries += 1
        if code in SUSPECT_CODES and (self._tries == MAX_TRIES or stored.number in self._suspects):
            self._suspects.add(stored.number)
            self._backfill_cursor, self._tries = stored.number, 0
        self._wait_s = min(2 * self._wait_s, MAX_WAIT_S)
        return max(self._wait_s, after_s)

    def _report_recovery(self) -> None:
        if self._faults and time.monotonic() - max(self._faults.values()) > HEALTHY_S:
            self._faults.clear()
            log.info("Observations are stored again; %d wait", self._spool.count().messages)


def run_bridge(
    broker: Broker, spool: Spool, store: Store, letters: DeadLetters, version: Version, stopping: threading.Event
) -> None:
    """Until stopped. What cannot be stored is tried again; what is refused is kept in a folder of its own."""
    forwarder, is_connected = Forwarder(spool, store, letters, version), False
    # Two sessions: each lasts as long as its messages do, so that a bridge that stays away for long gets no live ones.
    subscribers = [
        Subscriber(
            broker,
            f"{GROUP}-{spool.identity}-{name}",
            GROUP,
            topics,
            "is the spool a copy of another bridge's? Delete it, and start again",
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
        log.warning("this broker does not share subscriptions: with two bridges, each gets every message")


def _observation(stored: Stored, version: Version) -> Resource:
    """Of a message as it came. Raises ValueError, whatever is wrong with it: it would be so the next time, too."""
    try:
        payload = msgspec.json.decode(stored.payload, type=VitalsPayload | EcgPayload)
        made = observation(payload, version)
    except (ArithmeticError, OSError) as error:  # OSError: a time that no clock can show
        raise ValueError(str(error)) from error
    # A broker's access list lets a device write below its own name, and so only that name is to be believed.
    if stored.suffix not in {topic.name(payload.device) for topic in (*LIVE, *BACKFILL)}:
        raise ValueError(f"it says it is of {payload.device}")
    return made


def store_in(target: str) -> Store:
    """Stores Observations in a folder. Raises InputError."""
    folder = Path(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: not a folder that can be written, nor a URL ({error.strerror})") from error
    return lambda resource: _write(folder, resource)


def _write(folder: Path, resource: Resource) -> None:
    """One file a message, whole or not at all: DEVICE/BOOT-SEQ.json."""
    device, boot, seq = resource["identifier"][0]["value"].split("/")
    path = folder / device / f"{boot}-{seq}.json"
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, encode(resource))
