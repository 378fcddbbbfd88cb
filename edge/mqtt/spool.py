"""What the broker has not confirmed yet, on disk: a ring of messages in SQLite that outlives process and power.

Write-ahead log, `synchronous=NORMAL`: an append is a write to the operating system, well under a millisecond, and
survives the process being killed; it does not wait for the disk, so the radar's frames do not either. `sync`, once a
second on another thread, makes the disk hold it: a power cut costs at most what the last second appended and the broker
had not taken. (`FULL` would wait for the disk at every append, a tenth of a second on a poor memory card.) A torn end
of the log is recognised by its checksums; the messages before it are whole.

The file keeps to its limit by evicting the oldest, and counts it. A disk that takes no more is said, counted, and tried
again; once open, nothing here raises because of it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from edge.core.errors import InputError

EVICT_AT_ONCE = 16
SPARE_BYTES = 16 << 10  # pages that an insertion may need beside the message's own
LOG_BYTES = 4 << 20  # in steady work messages come and go within the log and never reach the file itself

log = logging.getLogger(__name__)


class SpoolError(InputError):
    """The spool cannot be where the settings want it; the message names the file."""


class Stored(NamedTuple):
    """A message in the spool: its number (rising, across restarts too), its topic's suffix, its bytes."""

    number: int
    suffix: str
    payload: bytes


class SpoolCount(NamedTuple):
    """Messages waiting and what they take of the file, in bytes; since the start: evicted, and refused by the disk."""

    messages: int
    bytes: int
    evicted: int
    unstored: int


class Spool:
    """A file of at most `max_bytes`, and a log of about LOG_BYTES beside it; oldest out first.

    Raises SpoolError when the file cannot be there, or another process uses it. A damaged one is put aside.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._log_path = path.with_name(f"{path.name}-wal")
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._last = self._messages = self._evicted = self._unstored = 0
        self._failing = self._unsynced = False
        self.identity = f"{secrets.randbits(31) | 1:08x}"
        """Random, made with the file and kept in it: it tells apart two programs that do the same work."""
        self._claim = _claim(path)
        try:
            self._open()
        except sqlite3.OperationalError as error:
            self._fails(error)
        except sqlite3.DatabaseError as error:
            aside = path.with_name(f"{path.name}.damaged")
            log.error("the spool is damaged (%s): put aside as %s, a new one begins", error, aside)
            path.replace(aside)
            self._log_path.unlink(missing_ok=True)
            os.close(self._claim)
            self._claim = _claim(path)
            self._open()

    def append(self, suffix: str, payload: bytes) -> int | None:
        """Keeps a message: its number, or None when the disk does not take it. Evicts the oldest for room."""
        with self._lock:
            try:
                return self._insert(suffix, payload)
            except sqlite3.Error as error:
                self._unstored += 1
                self._fails(error)
                return None

    def oldest(self, after: int, limit: int) -> list[Stored]:
        """The next messages whose number is above `after`; none while the disk does not answer."""
        with self._lock:
            try:
                rows = self._opened().execute(
                    "SELECT number, suffix, payload FROM message WHERE number > ? ORDER BY number LIMIT ?",
                    (after, limit),
                )
                return [Stored(*row) for row in rows]
            except sqlite3.Error as error:
                self._fails(error)
                return []

    def delete(self, numbers: Iterable[int]) -> bool:
        """Forgets messages that were delivered; False when that must be tried again."""
        with self._lock:
            try:
                with self._transaction() as db:
                    gone = db.executemany("DELETE FROM message WHERE number = ?", ((n,) for n in numbers)).rowcount
            except sqlite3.Error as error:
                self._fails(error)
                return False
            self._messages -= gone
            return True

    def sync(self) -> None:
        """Waits until the disk holds what was appended, while others append. Call it once a second."""
        with self._lock:
            if self._db is None:
                with suppress(sqlite3.Error):
                    self._open()
            if not self._unsynced:
                return
            self._unsynced = False
        try:
            descriptor = os.open(self._log_path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                full = os.fstat(descriptor).st_size > LOG_BYTES
            finally:
                os.close(descriptor)
            if full:
                with closing(sqlite3.connect(self._path)) as beside:  # its own: appends need not wait
                    beside.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (OSError, sqlite3.Error) as error:
            self._unsynced = True
            self._fails(error)

    def count(self) -> SpoolCount:
        """How full it is, and what it could not keep."""
        with self._lock:
            try:
                used = _used_bytes(self._opened())
            except sqlite3.Error:
                used = 0
            return SpoolCount(self._messages, used, self._evicted, self._unstored)

    def close(self) -> None:
        """Leaves everything in the file."""
        self.sync()
        with self._lock:
            if self._db is not None:
                with suppress(sqlite3.Error):
                    self._db.close()
                self._db = None
            os.close(self._claim)  # after SQLite: it would lose its locks on the file

    def _open(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")  # it would wait for the disk; `sync` does it
            db.execute("PRAGMA journal_size_limit = 0")
            db.execute("CREATE TABLE IF NOT EXISTS message (number INTEGER PRIMARY KEY, suffix TEXT, payload BLOB)")
            if (verdict := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(verdict)
            last, self._messages = db.execute("SELECT max(number), count(*) FROM message").fetchone()
            if identity := db.execute("PRAGMA user_version").fetchone()[0]:
                self.identity = f"{identity:08x}"
            else:
                with suppress(sqlite3.OperationalError):  # a full disk: messages can still be read
                    db.execute(f"PRAGMA user_version = {int(self.identity, 16)}")
        except sqlite3.Error:
            db.close()
            raise
        self._last = max(self._last, last or 0)
        self._db = db

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise sqlite3.OperationalError("it could not be opened")
        return self._db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _insert(self, suffix: str, payload: bytes) -> int:
        number, evicted = self._last + 1, 0
        with self._transaction() as db:
            while _used_bytes(db) + len(payload) + SPARE_BYTES > self._max_bytes:
                out = "DELETE FROM message WHERE number IN (SELECT number FROM message ORDER BY number LIMIT ?)"
                gone = db.execute(out, (EVICT_AT_ONCE,)).rowcount
                if not gone:
                    break
                evicted += gone
            db.execute("INSERT INTO message VALUES (?, ?, ?)", (number, suffix, payload))
        if evicted and not self._evicted:
            log.warning("the spool is full: its oldest messages go, undelivered")
        self._last, self._unsynced = number, True
        self._messages += 1 - evicted
        self._evicted += evicted
        if self._failing:
            self._failing = False
            log.warning("the spool works again; %d messages could not be kept", self._unstored)
        return number

    def _fails(self, error: Exception) -> None:
        if not self._failing:
            log.error("the spool %s does not work (%s): what cannot be sent now is lost", self._path, error)
        self._failing = True


def _claim(path: Path) -> int:
    """The file, made if need be, for this process and its user alone: an open descriptor. Raises SpoolError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # what is in it concerns a person
    except OSError as error:
        raise SpoolError(f"{path}: the spool cannot be kept here ({error.strerror}); see [spool]") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SpoolError(
            f"{path}: another process (run or fhir-bridge) keeps its spool here: stop it, or name another file "
            "([spool] file)"
        ) from error
    return descriptor


def _used_bytes(db: sqlite3.Connection) -> int:
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
