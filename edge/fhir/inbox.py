"""From spooled messages to resources that wait to be stored."""

from __future__ import annotations

import base64
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from edge.fhir.device import device_records
from edge.fhir.observation import RATES, ecg_of_message, rate_of_message
from edge.fhir.periods import QUIET_S, Periods
from edge.fhir.records import Record
from edge.fhir.terms import Version
from edge.mqtt.payloads import EcgPayload, Info, VitalsPayload, encode
from edge.mqtt.spool import Spool, StoredMessage
from edge.mqtt.topics import ECG, INFO, VITALS, backfill

LIVE = (VITALS, ECG)
BACKFILL = tuple(backfill(live.suffix) for live in LIVE)
MAX_JOBS = 1000
MAX_PERIODS = 50_000
READ_SIZE = 500
MAX_READS = 20  # in one call, so that a stop does not wait for a long spool
UNREADABLE = "unreadable message"
REPLAYED = "of a replayed recording"

_Payload = VitalsPayload | EcgPayload | Info


@dataclass(slots=True, eq=False)
class Job:
    """A resource to store, or a dead letter to write; `number`, `topic`: of its message. `tries`: that failed."""

    number: int
    topic: str
    record: Record | None = None
    letter: dict[str, Any] | None = None
    tries: int = 0


class Inbox:
    """Reads each spooled message once and fills `jobs`, in the order of arrival; deletes messages that are done with.

    Everything that is in memory here is still in the spool, so that a restart begins again from there. `kinds`: types
    of resources that the store accepts; None: all. `delay_s`: how long a device's `info` waits, which every bridge has.
    """

    def __init__(
        self,
        spool: Spool,
        version: Version,
        periods: Periods | None,
        kinds: frozenset[str] | None,
        delay_s: float = 0.0,
    ) -> None:
        self._spool, self._version, self._periods, self._kinds = spool, version, periods, kinds
        self._delay_s = delay_s
        self._cursor = 0  # number of the last message that was read
        self._unfinished: Counter[int] = Counter()  # jobs of each message
        self._infos: dict[str, tuple[Info, int, float]] = {}  # of each device: info, its message, when it came
        self._devices: dict[str, bytes] = {}  # what was made of each device's last info
        self.jobs: deque[Job] = deque()
        self.skipped: Counter[str] = Counter()

    def fill(self) -> None:
        """Read messages, and end periods, until there are enough jobs."""
        now_s = time.monotonic()
        for _ in range(MAX_READS):
            if len(self.jobs) >= MAX_JOBS or len(self._periods or ()) >= MAX_PERIODS:
                break
            messages = self._spool.oldest(self._cursor, READ_SIZE)
            finished: set[int] = set()
            for message in messages:
                self._cursor = message.number
                finished |= self._read(message, now_s)
            if finished:
                self._spool.delete(finished)
            if len(messages) < READ_SIZE:
                break
        if self._periods is not None:
            for record, number in self._periods.end(now_s):
                self._add(record, number, VITALS.name(record.device))
        for device, (info, number, received_s) in list(self._infos.items()):
            if now_s >= received_s + self._delay_s:
                del self._infos[device]
                if not self._add_all(self._changes(info), number, INFO.name(device)):
                    self._spool.delete([number])

    def finish(self, jobs: Iterable[Job]) -> None:
        """Delete the messages of jobs that are done, unless they have others."""
        self._unfinished.subtract(job.number for job in jobs)
        finished = [number for number, count in self._unfinished.items() if not count]
        for number in finished:
            del self._unfinished[number]
        if finished:
            self._spool.delete(finished)

    def _read(self, message: StoredMessage, now_s: float) -> set[int]:
        """Turn a message into jobs, or add it to its period; return the numbers of messages that are done with."""
        try:
            payload = _decode(message)
            records: list[Record] = []
            if payload.replayed:
                self.skipped[REPLAYED] += 1
            elif isinstance(payload, Info):
                former = self._infos.get(payload.device)
                self._infos[payload.device] = (payload, message.number, now_s)
                return {former[1]} if former else set()
            elif isinstance(payload, EcgPayload):
                records = [ecg_of_message(payload, self._version)]
            elif self._periods is not None:
                return self._periods.add(payload, message.number, now_s)
            else:
                records = [rate_of_message(metric, payload) for metric in RATES]
        except Exception as error:  # whatever a message does to the decoder, it must not stop the bridge
            reason = str(error) if isinstance(error, ValueError) else repr(error)
            content = base64.b64encode(message.payload).decode()
            letter = {"status": UNREADABLE, "answer": reason, "topic": message.suffix, "payload_base64": content}
            self._unfinished[message.number] += 1
            self.jobs.append(Job(message.number, message.suffix, letter=letter))
            return set()
        return set() if self._add_all(records, message.number, message.suffix) else {message.number}

    def _add_all(self, records: list[Record], number: int, topic: str) -> bool:
        """Add those that the store accepts; return whether there are any."""
        accepted = [record for record in records if self._kinds is None or record.kind in self._kinds]
        for record in accepted:
            self._add(record, number, topic)
        return bool(accepted)

    def _add(self, record: Record, number: int, topic: str) -> None:
        self._unfinished[number] += 1
        self.jobs.append(Job(number, topic, record))

    def _changes(self, info: Info) -> list[Record]:
        """Return the resources of a device; none if they were made before: `info` is sent at every connection."""
        records = device_records(info, self._version)
        content = encode([record.resource for record in records])
        if self._devices.get(info.device) == content:
            return []
        self._devices[info.device] = content
        return records


def open_inbox(spool: Spool, version: Version, every_s: int, kinds: frozenset[str] | None) -> Inbox:
    """Return the inbox of a spool, with periods of `every_s`; with 1, each message is stored by itself."""
    # Two bridges send the same period or device at different times, so that the server can recognise the second one.
    delay_s = QUIET_S * int(spool.identity, 16) / 2**31
    periods = Periods(every_s, QUIET_S + delay_s) if every_s > 1 else None
    return Inbox(spool, version, periods, kinds, delay_s)


def _decode(message: StoredMessage) -> _Payload:
    """Decode a payload. Raises ValueError, RecursionError and others; a retry would fail too."""
    payload: _Payload = msgspec.json.decode(message.payload, type=_Payload)
    # Access lists restrict a device to topics with its own name, so only the name in the topic can be trusted.
    if message.suffix not in {topic.name(payload.device) for topic in (*LIVE, *BACKFILL, INFO)}:
        raise ValueError(f"its payload names another device, {payload.device}")
    return payload
