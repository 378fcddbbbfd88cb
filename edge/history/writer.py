"""A `Sink` of the pipeline that stores the results; a thread of its own writes them, so the chain never waits.

Every BATCH_S the thread writes what has come as one transaction, so a killed process loses at most BATCH_S and the
time of one write. If the file cannot be written, up to MAX_WAITING records wait in memory, the log has one line, and
every batch is tried again. A damaged file is renamed and a new one is created.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from edge.core.clock import clock_state
from edge.core.types import EcgBlock, Quality, Vitals, Waveform
from edge.history.records import EcgPiece, Event, Second, ecg_piece
from edge.history.retention import expire, shrink
from edge.history.settings import HistoryConfig
from edge.history.store import HistoryError, HistoryStore

BATCH_S = 3.0
MAX_WAITING = 3600
"""Records: half an hour with ECG, an hour without."""
EXPIRE_PERIOD_S = 3600.0
CLOSE_TIMEOUT_S = 10.0

log = logging.getLogger(__name__)

Record = Second | Event | EcgPiece


class HistoryState(NamedTuple):
    """Whether the file cannot be written now, its size, and the seconds of vitals that were lost since the start."""

    failing: bool
    bytes: int
    unstored: int


class HistoryWriter:
    """Stores vitals, events and the ECG below `path`. No method blocks or raises an error of the file."""

    def __init__(self, path: Path, config: HistoryConfig, batch_s: float = BATCH_S) -> None:
        self._path, self._config, self._batch_s = path, config, batch_s
        self._queue: deque[Record] = deque()
        self._waiting: list[Record] = []  # of the thread: taken from the queue and not yet written
        self._store: HistoryStore | None = None
        self._failing, self._is_full, self._bytes, self._unstored = False, False, 0, 0
        self._expire_due_s = 0.0
        self._last_second: int | None = None
        self._flags: frozenset[str] = frozenset()
        self._put(Event(_now_ms(), "device_started"))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def waveform(self, wave: Waveform) -> None:
        """Ignore the waveform: it is not stored."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:  # as in `Sink`
        """Store a piece of the ECG, if the settings ask for it and any of it is known."""
        if self._config.ecg and ecg.estimate.valid_mask.any():
            self._put(ecg_piece(ecg))

    def vitals(self, vitals: Vitals) -> None:
        """Store the vitals of one second, and the flags that began and ended."""
        second = self._second_of(vitals)
        self._put(Second(second, vitals))
        before, self._flags = self._flags, frozenset(vitals.quality.flags)
        for flag in sorted(before - self._flags):
            self._put(Event(second * 1000, "flag_ended", flag))
        for flag in sorted(self._flags - before):
            self._put(Event(second * 1000, "flag_began", flag))

    def state(self) -> HistoryState:
        """Return the state of the file."""
        return HistoryState(self._failing or len(self._queue) >= MAX_WAITING, self._bytes, self._unstored)

    def gauges(self) -> dict[str, float]:
        """Return the metrics by name."""
        state = self.state()
        return {
            "history_failing": state.failing,
            "history_bytes": state.bytes,
            "history_unstored_seconds_total": state.unstored,
        }

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._put(Event(_now_ms(), "device_stopped"))
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _second_of(self, vitals: Vitals) -> int:
        """Return the second under which vitals are stored: consecutive vitals have consecutive seconds.

        They come once a second, but not exactly, so that the same second might come twice and the next one never. While
        no frames arrive, their time is that of the last frame; then the time is the host's.
        """
        t_s = time.time() if "stale" in vitals.quality.flags else vitals.t_ns / 1e9
        due = None if self._last_second is None else self._last_second + 1
        self._last_second = due if due is not None and due - 0.5 <= t_s < due + 1.5 else int(t_s)
        return self._last_second

    def _put(self, record: Record) -> None:
        if len(self._queue) < MAX_WAITING:  # else the thread hangs in the file
            self._queue.append(record)
        elif isinstance(record, Second):
            self._unstored += 1

    def _run(self) -> None:
        while not self._closing.wait(self._batch_s):
            self._write_batch()
        self._write_batch()
        if self._store:
            self._store.close()

    def _write_batch(self) -> None:
        while self._queue:
            self._waiting.append(self._queue.popleft())
        if not self._waiting:
            return
        try:
            self._write()
        except (sqlite3.Error, HistoryError, OSError) as error:
            if type(error) is sqlite3.DatabaseError:  # its subclasses have other causes
                self._set_aside(error)
            else:
                self._report_failure(error)

    def _write(self) -> None:
        if self._store and not self._path.exists():  # somebody removed it
            self._close_store()
        if self._store is None:
            self._store = HistoryStore(self._path)
            self._expire_due_s = 0.0
        store = self._store
        store.write(
            [each for each in self._waiting if isinstance(each, Second)],
            [each for each in self._waiting if isinstance(each, Event)],
            [each for each in self._waiting if isinstance(each, EcgPiece)],
        )
        self._waiting.clear()
        if time.monotonic() >= self._expire_due_s:
            expire(store, self._config, time.time() if clock_state().synced else None)
            self._expire_due_s = time.monotonic() + EXPIRE_PERIOD_S
        if shrink(store, self._config.max_mb << 20) and not self._is_full:
            log.info("the history has reached max_mb = %d: its oldest data are deleted", self._config.max_mb)
            self._is_full = True
        self._bytes = store.used_bytes()
        if self._failing:
            self._failing = False
            log.warning("the history works again; %d seconds were lost", self._unstored)

    def _report_failure(self, error: Exception) -> None:
        if not self._failing:
            log.error("cannot write the history %s (%s): measuring goes on; trying again", self._path, error)
        self._failing = True
        lost = self._waiting[:-MAX_WAITING]
        del self._waiting[:-MAX_WAITING]
        self._unstored += sum(isinstance(record, Second) for record in lost)

    def _set_aside(self, error: Exception) -> None:
        """Rename a damaged file with its log; the next batch creates a new one."""
        self._close_store()
        aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
        log.error("the history is damaged (%s): renamed to %s, and a new one is created", error, aside)
        try:
            for suffix in ("", "-wal"):
                damaged = self._path.with_name(self._path.name + suffix)
                if damaged.exists():
                    damaged.rename(aside.with_name(aside.name + suffix))
            self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
        except OSError as failure:
            self._report_failure(failure)

    def _close_store(self) -> None:
        if self._store:
            self._store.close()
        self._store = None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
