"""Queries of a history file, with a read-only connection of their own: never in the way of the writer."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import numpy as np

from edge.core.types import Float64
from edge.history.blocks import (
    MINUTES,
    SECONDS,
    SLOTS,
    STEPS,
    Int64,
    Totals,
    ratio,
    totals_of_minutes,
    totals_of_seconds,
    unpack,
)
from edge.history.records import EcgPiece
from edge.history.store import BUSY_TIMEOUT_S, HistoryError, check_version

Resolution = Literal[1, 60, 3600]
RESOLUTIONS_S: tuple[Resolution, ...] = (1, 60, 3600)
MAX_PIECE_US = 60_000_000
"""No piece of the ECG is longer."""


@dataclass(frozen=True)
class Rows:
    """Vitals of some seconds, minutes or hours: `t_s` [n], the start of each, in Unix time."""

    resolution_s: Resolution
    t_s: Int64
    totals: Totals
    flag_names: dict[int, str]

    def mean(self, name: str) -> Float64:
        """Return the mean [n] of one of MEANS, per minute or in m; NaN where no second had a value."""
        return self.totals.mean(name) / STEPS[name]

    def fraction(self, count: str) -> Float64:
        """Return a count [n] as a fraction of the recorded seconds, of those with a rhythm if "irregular"; NaN of none.

        "recorded" is the fraction of the row's seconds.
        """
        counts = self.totals.counts
        if count == "recorded":
            return counts["recorded"] / self.resolution_s
        return ratio(counts[count], counts["rhythm" if count == "irregular" else "recorded"])

    def flags(self) -> list[list[str]]:
        """Return the flags of each row, the most frequent first."""
        names: list[list[str]] = [[] for _ in self.t_s]
        rows, bits = np.nonzero(self.totals.flags)
        order = np.lexsort((bits, -self.totals.flags[rows, bits].astype(np.int64), rows))
        for row, bit in zip(rows[order].tolist(), bits[order].tolist(), strict=True):
            names[row].append(self.flag_names.get(bit, f"flag_{bit}"))
        return names


@dataclass(frozen=True)
class StoredEvent:
    """An event; its kind may be one of another version."""

    t_s: float
    kind: str
    flag: str | None


class HistoryReader:
    """Reads a history. Every method raises sqlite3.Error if the file cannot be read."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def vitals(self, from_s: float, to_s: float, resolution_s: Resolution) -> Rows:
        """Return the rows that overlap [from_s, to_s) and for which there are vitals."""
        unit_s = 60 if resolution_s == 1 else 3600
        table, key, layout = ("seconds", "minute", SECONDS) if resolution_s == 1 else ("minutes", "hour", MINUTES)
        query = f"SELECT {key}, CAST(block AS BLOB) FROM {table} WHERE {key} BETWEEN ? AND ? ORDER BY {key}"
        found = self._db.execute(query, (int(from_s // unit_s), int(to_s // unit_s))).fetchall()
        starts_s = np.array([row[0] for row in found], np.int64) * unit_s
        blocks = unpack((row[1] for row in found), layout)
        totals = totals_of_seconds(blocks) if resolution_s == 1 else totals_of_minutes(blocks)
        if resolution_s == 3600:
            totals, t_s = totals.grouped(SLOTS), starts_s
        else:
            t_s = (starts_s[:, None] + resolution_s * np.arange(SLOTS)).reshape(-1)
        rows = (totals.counts["recorded"] > 0) & (t_s + resolution_s > from_s) & (t_s < to_s)
        names = dict(self._db.execute("SELECT bit, name FROM flag"))
        return Rows(resolution_s, t_s[rows], totals.selected(rows), names)

    def events(self, from_s: float, to_s: float, limit: int) -> list[StoredEvent]:
        """Return the events in [from_s, to_s), at most `limit`, oldest first."""
        query = "SELECT t_ms, kind, flag FROM event WHERE t_ms >= ? AND t_ms < ? ORDER BY t_ms LIMIT ?"
        found = self._db.execute(query, (from_s * 1000, to_s * 1000, limit))
        return [StoredEvent(t_ms / 1000, kind, flag or None) for t_ms, kind, flag in found]

    def ecg(self, from_s: float, to_s: float) -> list[EcgPiece]:
        """Return the pieces of the ECG that overlap [from_s, to_s); a damaged piece is left out."""
        query = (
            "SELECT t_us, CAST(samples AS BLOB), CAST(r_peaks AS BLOB), continues, personalised FROM ecg "
            "WHERE t_us > ? AND t_us < ? AND end_us > ? ORDER BY t_us"
        )
        from_us, to_us = from_s * 1_000_000, to_s * 1_000_000
        pieces = []
        for t_us, samples, r_peaks, continues, personalised in self._db.execute(
            query, (from_us - MAX_PIECE_US, to_us, from_us)
        ):
            try:
                values, peaks = np.frombuffer(zlib.decompress(samples), "<i2"), np.frombuffer(r_peaks, "<i4")
            except (zlib.error, ValueError):
                continue
            pieces.append(EcgPiece(t_us, values, peaks, bool(continues), bool(personalised)))
        return pieces

    def ranges(self) -> dict[str, tuple[int, int] | None]:
        """Return the first and the last Unix second of each kind of data; None where there are none."""
        found: dict[str, tuple[int, int] | None] = {}
        for name, table, first, last in (
            ("seconds", "seconds", "min(minute) * 60", "max(minute) * 60 + 60"),
            ("minutes", "minutes", "min(hour) * 3600", "max(hour) * 3600 + 3600"),
            ("events", "event", "min(t_ms) / 1000", "max(t_ms) / 1000 + 1"),
            ("ecg", "ecg", "min(t_us) / 1000000", "max(t_us) / 1000000 + 1"),
        ):
            query = f"SELECT (SELECT {first} FROM {table}), (SELECT {last} FROM {table})"  # two, so that each is quick
            start, end = self._db.execute(query).fetchone()
            found[name] = None if start is None else (start, end)
        return found


@contextmanager
def open_reader(path: Path) -> Iterator[HistoryReader]:
    """Open a history for reading.

    Raises:
        HistoryError: There is none yet, it cannot be read, or it is of another version.
    """
    if not path.exists():
        raise HistoryError(f"{path}: there is no history yet; radarecg run writes it, with the table [history]")
    db = None
    try:
        db = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro", BUSY_TIMEOUT_S, uri=True, check_same_thread=False
        )
        check_version(db, path)
        yield HistoryReader(db)
    except sqlite3.Error as error:
        raise HistoryError(f"{path}: the history cannot be read ({error})") from error
    finally:
        if db:
            db.close()
