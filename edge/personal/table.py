"""Parses text tables of numbers as programs and devices write them: any usual separator, with or without a header."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from edge.core.clock import unix_time_s
from edge.core.errors import InputError
from edge.core.types import Float64

_TIME = re.compile(r"time|epoch|unix|seconds|\bt\b|\bt_|r.?peak", re.IGNORECASE)
_ECG = re.compile(r"ecg|ekg|\bii\b", re.IGNORECASE)
_MAX_HEADER_LINES = 50


@dataclass(frozen=True)
class Table:
    """A column of times [n] in a unit that is not known yet, and of values [n]; at least one of them."""

    times: Float64 | None = None
    values: Float64 | None = None
    rate_hz: float | None = None


def parse_table(text: str, source: str) -> Table:
    """Parse a table of one or more columns; of several, the first or the one named time has the times.

    A time is a number, or a date and time with a time zone. Lines before the first row of numbers are a header, lines
    that start with # are comments. Raises InputError with file and line.
    """
    header: list[str] = []
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not (line := line.strip()) or line.startswith("#"):
            continue
        cells = _cells(line)
        numbers = [_number(cell) for cell in cells]
        is_row = 2 * sum(value is not None for value in numbers) >= len(cells)  # a column of text may be beside them
        if rows and len(numbers) != len(rows[0]):
            raise InputError(f"{source}:{number}: {len(numbers)} columns, but {len(rows[0])} before")
        if is_row:
            rows.append([np.nan if value is None else value for value in numbers])
        elif rows or number > _MAX_HEADER_LINES:
            raise InputError(f"{source}:{number}: {line[:40]!r} is not a row of numbers")
        else:
            header = cells
    if not rows:
        raise InputError(f"{source}: contains no numbers; it must have R peak times, RR intervals or an ECG")
    return _table(np.array(rows), header, source)


def _table(rows: Float64, header: list[str], source: str) -> Table:
    if rows.shape[1] == 1:
        is_time = bool(header and _TIME.search(header[0])) and _rises(rows[:, 0])
        return Table(times=rows[:, 0]) if is_time else Table(values=rows[:, 0])
    names = header if len(header) == rows.shape[1] else [""] * rows.shape[1]
    usable = [k for k in range(rows.shape[1]) if np.isfinite(rows[:, k]).all()]
    times = next((k for k in usable if _TIME.search(names[k])), None)
    if times is None:
        times = next((k for k in usable if _rises(rows[:, k])), None)
    if times is None:
        raise InputError(f"{source}: no column has rising times; give one column of RR intervals, or a column of times")
    others = [k for k in usable if k != times]
    ecg = next((k for k in others if _ECG.search(names[k])), next(iter(others), None))
    return Table(rows[:, times], None if ecg is None else rows[:, ecg])


def _rises(values: Float64) -> bool:
    return bool((np.diff(values) > 0).all())


def _cells(line: str) -> list[str]:
    for separator in (";", "\t", ","):
        if separator in line:
            cells = [cell.strip().strip('"') for cell in line.split(separator)]
            return cells if separator == "," else [cell.replace(",", ".") for cell in cells]
    return [cell.strip('"') for cell in line.split()]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        pass
    try:
        return unix_time_s(cell)
    except ValueError:
        return None
