"""Stores resources in a folder, one file each: DEVICE/DATE/NAME.json, and DEVICE/NAME.json for what has no date."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from edge.core.errors import InputError
from edge.core.files import PRIVATE, write_atomic
from edge.fhir.failures import RefusedError
from edge.fhir.records import Record
from edge.fhir.server import Outcome
from edge.mqtt.payloads import encode

PERMANENT_ERRORS = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.EEXIST, errno.ENOTDIR}
"""Errors of a file's name, which a retry does not end."""


class FolderStore:
    """A folder of resources. Raises InputError if it cannot be created."""

    batch_size = 1
    kinds: frozenset[str] | None = None

    def __init__(self, target: str) -> None:
        self._folder = Path(target)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{target}: neither a writable folder nor a URL ({error.strerror})") from error

    def store(self, records: Sequence[Record]) -> list[Outcome]:
        """Write each resource atomically; return what became of each. Raises OSError."""
        return [self._write(record) for record in records]

    def _write(self, record: Record) -> Outcome:
        folder = self._folder / record.device / record.day
        path = folder / f"{record.name}.json"
        try:
            for part in (folder.parent, folder) if record.day else (folder,):
                part.mkdir(mode=0o700, exist_ok=True)
            if record.handling != "update" and _is_kept(path, record):
                return None
            write_atomic(path, encode(record.resource), PRIVATE)
        except OSError as error:
            if error.errno in PERMANENT_ERRORS:
                return RefusedError("file cannot exist", str(error))
            raise
        return None


def _is_kept(path: Path, record: Record) -> bool:
    """Return whether the file exists and must not be replaced. Raises OSError."""
    if not path.exists():
        return False
    return record.handling == "create" or b'"valueQuantity"' in path.read_bytes()
