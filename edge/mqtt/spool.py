"""Persistent queue of unconfirmed messages in SQLite; survives a killed process and a power failure.

It uses a write-ahead log (WAL) with `synchronous=NORMAL`: an append is a write to the operating system, takes well
under a millisecond, and survives the process being killed. It does not wait for the disk, and so never delays the
radar's frames. `sync`, called once a second on another thread, flushes the log to the disk: a power failure loses at
most the unconfirmed messages of the last second. (`FULL` would wait for the disk at every append: 0.1 s on a slow
memory card.) SQLite detects an incomplete end of the log by its checksums; the messages before it are intact.

When the file reaches its size limit, the oldest messages are evicted and counted. Write errors, such as a full disk,
are logged, counted and retried; once the spool is open, they raise nothing.
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

EVICTION_BATCH = 16
INSERT_RESERVE_BYTES = 16 << 10  # extra pages that an insertion may need
MAX_WAL_BYTES = 4 << 20  # in normal operation, messages are deleted before they leave the log

log = logging.getLogger(__name__)


class SpoolError(InputError):
    """The spool file cannot be opened or is in use; the message contains its path."""


class SpoolUnavailableError(SpoolError):
    """The spool file cannot be created or written, for example on a read-only file system."""


class StoredMessage(NamedTuple):
    """A spooled message; `number` increases monotonically, also across restarts; `suffix` is that of its topic."""

    number: int
    suffix: str
    payload: bytes


class SpoolCount(NamedTuple):
    """Spooled messages and their size in bytes; since the start: evicted messages, and those not written to disk."""

    messages: int
    bytes: int
    evicted: int
    unstored: int


class Spool:
    """A file of at most `max_bytes` with a log of about MAX_WAL_BYTES; evicts the oldest messages first.

    A damaged file is renamed, and a new one is created. Raises SpoolError.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._wal_path, self._max_bytes = path, path.with_name(f"{path.name}-wal"), max_bytes
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._last = self._messages = self._evicted = self._unstored = 0
        self._failing, self._unsynced, self.is_persistent = False, False, True
        self.identity = f"{secrets.randbits(31) | 1:08x}"
        """Random and stored in the file: distinguishes two programs that do the same work."""
        self._lock_file = _lock_file(path)
        try:
            self._open()
        except sqlite3.OperationalError as error:
            self._report_failure(error)
        except sqlite3.DatabaseError as error:
            aside = path.with_name(f"{path.name}.damaged")
            log.error("the spool is damaged (%s): renamed to %s, and a new one created", error, aside)
            path.replace(aside)
            self._wal_path.unlink(missing_ok=True)
            os.close(self._lock_file)
            self._lock_file = _lock_file(path)
            self._open()

    def append(self, suffix: str, payload: bytes) -> int | None:
        """Store a message, evicting the oldest if needed; return its number, or None after a write error."""
        with self._lock:
            try:
                return self._insert(suffix, payload)
            except sqlite3.Error as error:
                self._unstored += 1
                self._report_failure(error)
                return None

    def oldest(self, after: int, limit: int) -> list[StoredMessage]:
        """Return up to `limit` messages with numbers above `after`, oldest first; none after a read error."""
        with self._lock:
            try:
                rows = self._opened().execute(
                    "SELECT number, suffix, payload FROM message WHERE number > ? ORDER BY number LIMIT ?",
                    (after, limit),
                )
                return [StoredMessage(*row) for row in rows]
            except sqlite3.Error as error:
                self._report_failure(error)
                return []

    def delete(self, numbers: Iterable[int]) -> bool:
        """Delete delivered messages; return False if the caller must retry."""
        with self._lock:
            try:
                with self._transaction() as db:
                    deleted = db.executemany("DELETE FROM message WHERE number = ?", ((n,) for n in numbers)).rowcount
            except sqlite3.Error as error:
                self._report_failure(error)
                return False
            self._messages -= deleted
            return True

    def sync(self) -> None:
        """Flushes appended messages to the disk without blocking other threads' appends. Call once a second."""
        with self._lock:
            if self._db is None:
                with suppress(sqlite3.Error):
                    self._open()
            if not self._unsynced:
                return
            self._unsynced = False
        try:
            descriptor = os.open(self._wal_path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                full = os.fstat(descriptor).st_size > MAX_WAL_BYTES
            finally:
                os.close(descriptor)
            if full:
                with closing(sqlite3.connect(self._path)) as db:  # a second connection, so that appends do not wait
                    db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (OSError, sqlite3.Error) as error:
            self._unsynced = True
            self._report_failure(error)

    def count(self) -> SpoolCount:
        """Return the number and size of the spooled messages, and the number of lost ones."""
        with self._lock:
            try:
                used = _used_bytes(self._opened())
            except sqlite3.Error:
                used = 0
            return SpoolCount(self._messages, used, self._evicted, self._unstored)

    def close(self) -> None:
        """Flushes and closes the file; its messages stay."""
        self.sync()
        with self._lock:
            if self._db is not None:
                with suppress(sqlite3.Error):
                    self._db.close()
                self._db = None
            os.close(self._lock_file)  # after SQLite: closing any descriptor releases its locks on the file

    def _open(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")  # a checkpoint waits for the disk, so `sync` makes it
            db.execute("PRAGMA journal_size_limit = 0")
            db.execute("CREATE TABLE IF NOT EXISTS message (number INTEGER PRIMARY KEY, suffix TEXT, payload BLOB)")
            if (verdict := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(verdict)
            last, self._messages = db.execute("SELECT max(number), count(*) FROM message").fetchone()
            if identity := db.execute("PRAGMA user_version").fetchone()[0]:
                self.identity = f"{identity:08x}"
            else:
                with suppress(sqlite3.OperationalError):  # the disk is full: messages can still be read
                    db.execute(f"PRAGMA user_version = {int(self.identity, 16)}")
        except sqlite3.Error:
            db.close()
            raise
        self._last = max(self._last, last or 0)
        self._db = db

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise sqlite3.OperationalError("the file could not be opened")
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
            while _used_bytes(db) + len(payload) + INSERT_RESERVE_BYTES > self._max_bytes:
                query = "DELETE FROM message WHERE number IN (SELECT number FROM message ORDER BY number LIMIT ?)"
                deleted = db.execute(query, (EVICTION_BATCH,)).rowcount
                if not deleted:
                    break
                evicted += deleted
            db.execute("INSERT INTO message VALUES (?, ?, ?)", (number, suffix, payload))
        if evicted and not self._evicted:
            log.warning("the spool is full: its oldest messages are deleted undelivered")
        self._last, self._unsynced = number, True
        self._messages += 1 - evicted
        self._evicted += evicted
        if self._failing:
            self._failing = False
            log.warning("the spool works again; %d messages could not be stored", self._unstored)
        return number

    def _report_failure(self, error: Exception) -> None:
        if not self._failing:
            log.error("cannot write to the spool %s (%s): messages that cannot be sent now are lost", self._path, error)
        self._failing = True


def _lock_file(path: Path) -> int:
    """Create the file if needed, readable by its owner only, and lock it; return a descriptor. Raises SpoolError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # it contains health data
    except OSError as error:
        raise SpoolUnavailableError(f"{path}: cannot open the spool ({error.strerror}); see [spool]") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SpoolError(
            f"{path}: another process (run or fhir-bridge) uses this spool: stop it, or set another file ([spool] file)"
        ) from error
    return descriptor


def _used_bytes(db: sqlite3.Connection) -> int:
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
