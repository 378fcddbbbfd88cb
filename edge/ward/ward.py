"""All devices of a hub: receives their messages, and once a second finds what changed and which notices are due."""

from __future__ import annotations

import logging
import math
import re
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from edge.core.audit import audit
from edge.mqtt.fields import DEVICE_PATTERN
from edge.mqtt.topics import STATUS, VITALS, backfill
from edge.mqtt.watcher import Received
from edge.ward.messages import Snapshot, Update
from edge.ward.notices import Limits, Notice, notice_text
from edge.ward.records import RecordsFile
from edge.ward.sparkline import BIN_S
from edge.ward.tile import SeenStatus, SeenVitals, Shown, Tile

LATE_VITALS = backfill(VITALS.suffix)
TOPICS = (STATUS, VITALS, LATE_VITALS)
_SUFFIXES = {topic.suffix for topic in TOPICS}
MAX_DEVICES = 2000
MAX_ENDED = 50
"""Ended notices that the page still shows."""
MAX_TICK_S = 5.0
"""Of a longer time between two ticks, such as a suspended computer's, no more counts: nothing was observed."""

Seen = TypeVar("Seen", SeenStatus, SeenVitals)

log = logging.getLogger(__name__)


class Counts(NamedTuple):
    """What the page shows of all devices, and the messages received: by topic, and those that cannot be read."""

    shown: list[Shown]
    received: Counter[str]
    unreadable: int


class Ward:
    """State of all devices. `deliver` is called with each notice that began or ended. Thread-safe."""

    def __init__(
        self,
        limits: Limits,
        records: RecordsFile,
        deliver: Callable[[Notice], object],
        clock_s: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._limits, self._records, self._deliver, self._clock_s, self._unix_s = (
            limits,
            records,
            deliver,
            clock_s,
            unix_s,
        )
        self._lock = threading.Lock()
        self._received: Counter[str] = Counter()
        self._unreadable = 0
        self._reported: set[str] = set()  # devices whose unreadable messages were logged
        self._shown: dict[str, Shown] = {}  # as the pages have it
        self._open = {notice.device: notice for notice in records.content.notices}
        self._ended: deque[Notice] = deque(maxlen=MAX_ENDED)
        self._are_notices_changed = False
        self._number, self._ticked_s = 0, clock_s()
        self._broker_lost_ms: int | None = self._now_ms()
        self._tiles = {name: Tile(name, self._ticked_s, notice.kind, limits) for name, notice in self._open.items()}

    def receive(self, message: Received) -> None:
        """Process a message; ignore those of other topics than TOPICS.

        The device's name is that of the topic, to which an access list restricts it.
        """
        if message.suffix not in _SUFFIXES or not message.payload:  # an empty one clears what the broker retains
            return
        with self._lock:
            self._received[message.suffix] += 1
            if (tile := self._tile(message.device)) is None:
                return
            now_s = self._clock_s()
            try:
                if message.suffix == STATUS.suffix:
                    tile.status(_decode(_status, message), now_s)
                elif message.suffix == VITALS.suffix:
                    tile.vitals(_decode(_vitals, message), message.age_s, now_s, self._now_ms())
                else:
                    tile.late_vitals(_decode(_vitals, message), now_s)
            except Exception as error:  # whatever a message does to the decoder, it must not stop the ward
                tile.unreadable(now_s)
                self._unreadable += 1
                if message.device not in self._reported:
                    self._reported.add(message.device)
                    log.error("cannot read a message of %s on %s: %s", message.device, message.suffix, error)

    def tick(self, is_connected: bool) -> Update:
        """Return what has changed since the last call; begin and end notices.

        Without a connection to the broker nothing is known about the devices, so no notice begins or ends.
        """
        with self._lock:
            now_s = self._clock_s()
            elapsed_s, self._ticked_s = min(now_s - self._ticked_s, MAX_TICK_S), now_s
            if is_connected:
                self._broker_lost_ms = None
                self._update_notices(now_s, elapsed_s)
            elif self._broker_lost_ms is None:
                self._broker_lost_ms = self._now_ms()
            shown = {name: self._show(tile, now_s) for name, tile in self._tiles.items()}
            changed = [each for name, each in shown.items() if each != self._shown.get(name)]
            bins = {
                name: found for name, tile in self._tiles.items() if (found := tile.sparkline.take_changes(int(now_s)))
            }
            self._shown, self._number = shown, self._number + 1
            notices = self._notices() if self._are_notices_changed else None
            self._are_notices_changed = False
            return Update(
                self._number, self._now_ms(), int(now_s) // BIN_S, self._broker_lost_ms, changed, bins, notices
            )

    def snapshot(self, user: str, is_admin: bool) -> Snapshot:
        """Return everything that a page shows, as of the last tick."""
        with self._lock:
            now = int(self._ticked_s)
            sparklines = {name: tile.sparkline.bins(now) for name, tile in self._tiles.items()}
            return Snapshot(
                self._number,
                self._now_ms(),
                now // BIN_S,
                self._broker_lost_ms,
                list(self._shown.values()),
                sparklines,
                self._notices(),
                user,
                is_admin,
            )

    def count(self) -> Counts:
        """Return the state of all devices as of the last tick, and the number of messages so far."""
        with self._lock:
            return Counts(list(self._shown.values()), self._received.copy(), self._unreadable)

    def has_device(self, device: str) -> bool:
        """Whether a device of this name is known."""
        return device in self._tiles

    def rename(self, device: str, label: str, user: str) -> bool:
        """Give a tile a name on this hub, or with "" take it away; return whether there is such a device."""
        with self._lock:
            if device not in self._tiles:
                return False
            if label:
                self._records.content.labels[device] = label
            else:
                self._records.content.labels.pop(device, None)
            self._records.save()
        audit("tile renamed", device=device, user=user)
        return True

    def hide(self, device: str, hidden: bool, user: str) -> bool:
        """Hide a device, so that it has no notices, or show it again; return whether there is such a device."""
        with self._lock:
            if device not in self._tiles:
                return False
            (self._records.content.hidden.add if hidden else self._records.content.hidden.discard)(device)
            self._records.save()
        audit("tile hidden" if hidden else "tile shown", device=device, user=user)
        return True

    def acknowledge(self, notice_id: str, user: str) -> bool:
        """Record that a user has seen a notice; return whether such a notice is open."""
        with self._lock:
            notice = next((each for each in self._open.values() if each.id == notice_id), None)
            if notice is None:
                return False
            self._open[notice.device] = msgspec.structs.replace(notice, acknowledged_by=user)
            self._save_notices()
        audit("notice acknowledged", device=notice.device, notice=notice.id, user=user)
        return True

    def _tile(self, device: str) -> Tile | None:
        tile = self._tiles.get(device)
        if tile is None and re.match(DEVICE_PATTERN, device):
            if len(self._tiles) < MAX_DEVICES:
                tile = self._tiles[device] = Tile(device, self._clock_s())
            elif "" not in self._reported:
                self._reported.add("")
                log.error("more than %d devices: the others are not shown", MAX_DEVICES)
        return tile

    def _show(self, tile: Tile, now_s: float) -> Shown:
        content, notice = self._records.content, self._open.get(tile.device)
        return tile.show(
            now_s, content.labels.get(tile.device, ""), tile.device in content.hidden, notice.kind if notice else None
        )

    def _update_notices(self, now_s: float, elapsed_s: float) -> None:
        is_changed = False
        for name, tile in self._tiles.items():
            due, open_notice = tile.due_notice(now_s, elapsed_s, self._limits), self._open.get(name)
            if name in self._records.content.hidden:
                due = None
            if due == (open_notice and open_notice.kind):
                continue
            is_changed = True
            if open_notice:
                ended = msgspec.structs.replace(self._open.pop(name), ended_ms=self._now_ms())
                self._ended.append(ended)
                self._deliver(ended)
            if due:
                text = notice_text(due, self._limits)
                began = self._open[name] = Notice(secrets.token_hex(8), name, due, text, self._now_ms())
                self._deliver(began)
        if is_changed:
            self._save_notices()

    def _save_notices(self) -> None:
        self._are_notices_changed = True
        self._records.content.notices = list(self._open.values())
        self._records.save()

    def _notices(self) -> list[Notice]:
        return [*self._open.values(), *self._ended]

    def _now_ms(self) -> int:
        return math.floor(1000 * self._unix_s())


_status = msgspec.json.Decoder(SeenStatus)
_vitals = msgspec.json.Decoder(SeenVitals)


def _decode(decoder: msgspec.json.Decoder[Seen], message: Received) -> Seen:
    """Decode a payload. Raises ValueError if it names another device than its topic."""
    payload = decoder.decode(message.payload)
    if payload.device != message.device:
        raise ValueError(f"its payload names another device, {payload.device}")
    return payload
