"""The table of patients: which patient each device measures, and from when until when. It never leaves the hub.

A CSV file with the columns device, patient, since and until (the last two may be missing):

    device,patient,since,until
    radar-0001,Patient/123,2026-11-20T08:00:00Z,2026-11-21T11:30:00Z
    radar-0002,http://hospital.example/mrn|4711,2026-11-20T08:00:00+01:00,

No error message and no log has a patient of it.
"""

from __future__ import annotations

import csv
import re
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.core.errors import InputError
from edge.core.files import read_text_file, require_private
from edge.fhir.terms import Resource
from edge.mqtt.fields import DEVICE_PATTERN

SETTLE_S = 1.0
"""A changed file is read only when it has not changed for this long: it may still be being written."""

_COLUMNS = ("device", "patient", "since", "until")
_REFERENCE = re.compile(r"(https?://[^\s|]+/)?Patient/[A-Za-z0-9.-]{1,64}")
_IDENTIFIER = re.compile(r"([a-z][a-z0-9+.-]*:[^\s|]+)\|([^\s|]+( [^\s|]+)*)")
_ALWAYS_NS, _FOREVER_NS = 0, 1 << 63


class SubjectsError(InputError):
    """The table cannot be used; the message names file and line, and no patient."""


class Assignment(NamedTuple):
    """A device's patient from `start_ns` until before `end_ns`; None if it has none in that time."""

    start_ns: int
    end_ns: int
    patient: Resource | None


class Subjects:
    """The table in a file, read again when the file changes. Raises SubjectsError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state, self._changed_s = _state(path), 0.0
        self._table: dict[str, list[Assignment]] | None = read_subjects(path)

    def refresh(self) -> bool:
        """Read the file again if it changed; return False just after a change. Raises SubjectsError if it is bad.

        Unless it returns True, the table is not known and must not be used.
        """
        if (state := _state(self.path)) != self._state:
            self._state, self._changed_s, self._table = state, time.monotonic(), None
        if self._table is None:
            if time.monotonic() < self._changed_s + SETTLE_S:
                return False
            self._table = read_subjects(self.path)
        return True

    def find(self, device: str, start_ns: int, end_ns: int) -> Resource | None:
        """Return a reference to the patient that the device had during the whole measurement; None without one."""
        for assignment in (self._table or {}).get(device, ()):
            if assignment.start_ns <= start_ns and end_ns < assignment.end_ns:
                return assignment.patient
        return None


def read_subjects(path: Path) -> dict[str, list[Assignment]]:
    """Return the assignments of each device, in order of time. Raises SubjectsError."""
    try:
        require_private(path)
        text = read_text_file(path)
    except (OSError, InputError) as error:
        raise SubjectsError(f"{path}: cannot read the table of patients ({error})") from error
    lines = [line for line in enumerate(text.split("\n"), 1) if line[1].strip()]
    if not lines:
        raise SubjectsError(f"{path}: empty; its first line must be {','.join(_COLUMNS)}")
    delimiter = next((mark for mark in ";\t" if mark in lines[0][1]), ",")
    rows = [(number, [cell.strip() for cell in _cells(path, number, line, delimiter)]) for number, line in lines]
    header = [name.lower() for name in rows[0][1]]
    if len(set(header)) < len(header) or not {"device", "patient"} <= set(header) <= set(_COLUMNS):
        raise SubjectsError(f"{path}:{rows[0][0]}: the columns must be {','.join(_COLUMNS)}")
    table: dict[str, list[tuple[int, Assignment]]] = {}
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            raise SubjectsError(f"{path}:{number}: has {len(cells)} columns instead of {len(header)}")
        row = dict(zip(header, cells, strict=True))
        if not re.match(DEVICE_PATTERN, row["device"]):
            raise SubjectsError(f"{path}:{number}: device must be the name of a device, such as radar-0001")
        table.setdefault(row["device"], []).append((number, _assignment(path, number, row)))
    return {device: _in_order(path, device, rows) for device, rows in table.items()}


def _cells(path: Path, number: int, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise SubjectsError(f"{path}:{number}: not a line of a CSV file") from error


def _assignment(path: Path, number: int, row: dict[str, str]) -> Assignment:
    start_ns = _time_ns(path, number, "since", row.get("since", ""), _ALWAYS_NS)
    end_ns = _time_ns(path, number, "until", row.get("until", ""), _FOREVER_NS)
    if end_ns <= start_ns:
        raise SubjectsError(f"{path}:{number}: until must be after since")
    patient: Resource | None = None
    if identifier := _IDENTIFIER.fullmatch(row["patient"]):
        patient = {"type": "Patient", "identifier": {"system": identifier[1], "value": identifier[2]}}
    elif _REFERENCE.fullmatch(row["patient"]):
        patient = {"reference": row["patient"]}
    elif row["patient"]:
        raise SubjectsError(f"{path}:{number}: patient must be Patient/ID, a URL that ends so, or SYSTEM|VALUE")
    return Assignment(start_ns, end_ns, patient)


def _time_ns(path: Path, number: int, column: str, text: str, default: int) -> int:
    if not text:
        return default
    try:
        moment = msgspec.convert(text, datetime)
        if moment.tzinfo is None:
            raise ValueError
        return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise SubjectsError(
            f"{path}:{number}: {column} must be a time with its offset from UTC, such as 2026-11-20T08:00:00+01:00"
        ) from error


def _in_order(path: Path, device: str, rows: list[tuple[int, Assignment]]) -> list[Assignment]:
    """Sort by time; without `until`, an assignment ends where the next one begins. Raises SubjectsError."""
    rows = sorted(rows, key=lambda row: row[1].start_ns)
    ordered = []
    for (_, assignment), (number, following) in pairwise(rows):
        if assignment.start_ns == following.start_ns or _FOREVER_NS > assignment.end_ns > following.start_ns:
            raise SubjectsError(f"{path}:{number}: {device} has two patients at the same time")
        ordered.append(assignment._replace(end_ns=min(assignment.end_ns, following.start_ns)))
    return [*ordered, rows[-1][1]]


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
