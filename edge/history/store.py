"""The history's SQLite file: written in batches, bounded in age and size, and deleted from on request.

It uses a write-ahead log (WAL) with `synchronous = FULL`: a batch that was written survives a killed process and a
power failure. `secure_delete` overwrites deleted rows with zeros, and `auto_vacuum` returns their pages to the disk, so
that the file shrinks. Several processes may use the file at once: the service writes, commands read or delete.

    seconds  minute -> packed block of its 60 seconds      event  t_ms, kind, flag
    minutes  hour -> packed block of its 60 minutes        ecg    t_us -> a piece of the ECG
    flag     bit -> name of a quality flag, so that files of other versions can be read

If the clock is set back, times come again: the newest vitals of a second replace the older ones, and of the ECG all
pieces are kept that do not start at the same microsecond.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from edge.core.errors import InputError
from edge.history.blocks import (
    MAX_FLAGS,
    MINUTES,
    SECONDS,
    SLOTS,
    Block,
    empty,
    pack,
    set_minute,
    set_second,
    unpack,
)
from edge.history.records import EcgPiece, Event, Second

APPLICATION_ID, SCHEMA_VERSION = 0x52434748, 1
BUSY_TIMEOUT_S = 30.0
WAL_PAGES = 256  # 1 MiB, after which the log is written back to the file

TABLES = """
CREATE TABLE seconds (minute INTEGER PRIMARY KEY, block BLOB NOT NULL);
CREATE TABLE minutes (hour INTEGER PRIMARY KEY, block BLOB NOT NULL);
CREATE TABLE flag (bit INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE event (t_ms INTEGER, kind TEXT, flag TEXT, PRIMARY KEY (t_ms, kind, flag)) WITHOUT ROWID;
CREATE TABLE ecg (t_us INTEGER PRIMARY KEY, end_us INTEGER NOT NULL, continues INTEGER NOT NULL,
    personalised INTEGER NOT NULL, samples BLOB NOT NULL, r_peaks BLOB NOT NULL)
"""


class HistoryError(InputError):
    """The history cannot be used; the message has the file, the reason, and what to do."""


class HistoryStore:
    """An open history file; it is created if it does not exist, readable by its owner only.

    Every method raises sqlite3.OperationalError if the file cannot be written now, sqlite3.DatabaseError if it is
    damaged.

    Raises:
        HistoryError: It is another program's file, or of a newer version.
        OSError: It cannot be created.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():  # a log without its file belongs to one that was removed
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its log the same permissions
        self._db = sqlite3.connect(path, BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            self._open(path)
        except BaseException:
            self._db.close()
            raise

    def _open(self, path: Path) -> None:
        db = self._db
        check_version(db, path)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the file has a page
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_PAGES * self._pragma('page_size')}")
        if (verdict := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(verdict)
        if self._pragma("user_version") == 0:
            with self.transaction():
                if self._pragma("user_version") == 0:  # no other process was faster
                    for statement in TABLES.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def write(self, seconds: Sequence[Second], events: Sequence[Event], ecg: Sequence[EcgPiece]) -> None:
        """Store a batch as one transaction."""
        with self.transaction() as db:
            bits = self._flag_bits({flag for each in seconds for flag in each.vitals.quality.flags})
            changed: dict[int, Block] = {}
            for minute, group in groupby(seconds, lambda each: each.second // SLOTS):
                block = changed.get(minute)
                if block is None:
                    block = changed[minute] = self._block("seconds", minute)
                for second, vitals in group:
                    set_second(block, second % SLOTS, vitals, bits)
            self._put_seconds(changed)
            db.executemany("INSERT OR REPLACE INTO event VALUES (?, ?, ?)", [(e[0], e[1], e[2] or "") for e in events])
            db.executemany("INSERT OR REPLACE INTO ecg VALUES (?, ?, ?, ?, ?, ?)", map(_ecg_row, ecg))

    def delete(self, from_s: int, to_s: int) -> None:
        """Delete everything of the Unix times [from_s, to_s); a minute of which only the mean is left goes as a whole.

        The transaction alone may leave copies in the log: call `truncate_log`, too.
        """
        with self.transaction() as db:
            first, last = from_s // SLOTS, (to_s - 1) // SLOTS
            partly: dict[int, Block] = {}
            for minute in {first, last}:
                block = partly[minute] = self._block("seconds", minute)
                _clear(block, from_s - minute * SLOTS, to_s - minute * SLOTS)
            db.execute("DELETE FROM seconds WHERE minute BETWEEN ? AND ?", (first, last))
            hours = first // SLOTS, last // SLOTS
            kept = {hour: self._block("minutes", hour) for hour in set(hours)}
            db.execute("DELETE FROM minutes WHERE hour BETWEEN ? AND ?", hours)
            for hour, block in kept.items():
                _clear(block, first - hour * SLOTS, last + 1 - hour * SLOTS)
                if block["recorded"].any():
                    self._put("minutes", hour, block)
            self._put_seconds({minute: block for minute, block in partly.items() if block["state"].any()})
            db.execute("DELETE FROM event WHERE t_ms >= ? AND t_ms < ?", (from_s * 1000, to_s * 1000))
            db.execute("DELETE FROM ecg WHERE end_us > ? AND t_us < ?", (from_s * 1_000_000, to_s * 1_000_000))
        self.vacuum()

    def delete_all(self) -> None:
        """Delete everything, whatever its time. Call `truncate_log`, too."""
        with self.transaction() as db:
            for table in ("seconds", "minutes", "event", "ecg"):
                db.execute(f"DELETE FROM {table}")
        self.vacuum()

    def truncate_log(self) -> bool:
        """Write the log back and empty it; return False if a reader prevents that for longer than BUSY_TIMEOUT_S."""
        return not self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def used_bytes(self) -> int:
        """Return the size of the pages in use."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements that take effect together or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def vacuum(self) -> None:
        """Return the pages of deleted rows to the disk."""
        self._db.executescript("PRAGMA incremental_vacuum")  # `execute` would return one page only

    def _flag_bits(self, names: set[str]) -> dict[str, int]:
        """Return the bit of each known flag; new ones get the next bits, as long as there are any."""
        bits = {name: bit for bit, name in self._db.execute("SELECT bit, name FROM flag")}
        for name in sorted(names - set(bits)):
            if len(bits) < MAX_FLAGS:
                bits[name] = len(bits)
                self._db.execute("INSERT INTO flag VALUES (?, ?)", (bits[name], name))
        return bits

    def _block(self, table: str, key: int) -> Block:
        layout = SECONDS if table == "seconds" else MINUTES
        name = "minute" if table == "seconds" else "hour"
        row = self._db.execute(f"SELECT CAST(block AS BLOB) FROM {table} WHERE {name} = ?", (key,)).fetchone()
        return unpack(row, layout).reshape(()) if row else empty(layout)

    def _put(self, table: str, key: int, block: Block) -> None:
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (key, pack(block)))

    def _put_seconds(self, blocks: dict[int, Block]) -> None:
        """Store blocks of seconds, and the aggregates of their minutes."""
        hours: defaultdict[int, list[int]] = defaultdict(list)
        for minute, seconds in blocks.items():
            self._put("seconds", minute, seconds)
            hours[minute // SLOTS].append(minute)
        for hour, minutes in hours.items():
            block = self._block("minutes", hour)
            for minute in minutes:
                set_minute(block, minute % SLOTS, blocks[minute])
            self._put("minutes", hour, block)


def check_version(db: sqlite3.Connection, path: Path) -> None:
    """Raise HistoryError unless the file is empty or a history of this version; sqlite3.DatabaseError if it is none."""
    version, owner = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and (owner, version) != (APPLICATION_ID, SCHEMA_VERSION):
        whose = "of a newer radarecg" if owner == APPLICATION_ID else "not a history"
        raise HistoryError(f"{path}: this file is {whose}: set another one ([history] file)")


def _clear(block: Block, start: int, end: int) -> None:
    """Clear the slots [start, end) of a block, as far as it has them."""
    for name in block.dtype.names or ():
        block[name][max(0, start) : max(0, end)] = 0


def _ecg_row(piece: EcgPiece) -> tuple[int, int, bool, bool, bytes, bytes]:
    samples, r_peaks = zlib.compress(piece.samples.tobytes()), piece.r_peaks.tobytes()
    return piece.t_us, piece.end_us, piece.continues, piece.personalised, samples, r_peaks
