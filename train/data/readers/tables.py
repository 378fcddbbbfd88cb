"""Reads tables written by spreadsheets and recorders.

Columns are separated by commas, semicolons, tabs or spaces; decimal commas are accepted; units are in the header.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.core.files import read_text_file
from edge.core.types import Float64
from train.data.trial import TrialError

HEADER_WITHIN_LINES = 30  # the header may follow a title, comments, or a spreadsheet's "sep=;"
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "v": 1e3}
_QUANTITIES = {
    "t_s": (("t", "time", "timestamp", "unix_time"), _SECONDS),
    "ecg_mv": (("ecg", "ekg"), _MILLIVOLTS),
}
"""Columns with alternative names and units: the names, and the factor of each unit."""


@dataclass(frozen=True)
class _Table:
    """Table after its header. `columns`: position and factor of the selected columns; `lines`: numbered lines."""

    path: Path
    names: tuple[str, ...]
    columns: list[tuple[int, float]]
    delimiter: str
    width: int
    lines: list[tuple[int, str]]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and selected cells of each row; skips empty lines and comments."""
        for number, line in self.lines:
            if not line.strip() or line.lstrip().startswith(("#", "%")):
                continue
            cells = _split(line, self.delimiter)
            if len(cells) <= max(place for place, _ in self.columns) or any(cells[self.width :]):
                raise TrialError(
                    f"{self.path}:{number}: {len(cells)} values in {line.strip()[:80]!r}, the header has {self.width} "
                    "columns; where commas are decimal, semicolons or tabs must separate the columns"
                )
            yield number, [cells[place] for place, _ in self.columns]


def read_table(path: Path, *columns: str) -> Float64:
    """Read these columns of a table of numbers with a header line: [rows, columns].

    Columns with other names and units, as in "Time (ms)" for t_s and "ECG [uV]" for ecg_mv, are converted. Raises
    TrialError, which names file and line.
    """
    table = _open_table(path, columns)
    numbers = [
        [_number(path, line, name, cell) for name, cell in zip(columns, cells, strict=True)]
        for line, cells in table.rows()
    ]
    if not numbers:
        raise TrialError(f"{path}: not a table with the columns {_listed(columns)} (no row below its header)")
    return np.array(numbers) * [factor for _, factor in table.columns]


def read_text_table(path: Path, *columns: str) -> list[list[str]]:
    """Read these columns of a table as text, one list per row. Raises TrialError, which names file and line."""
    return [cells for _, cells in _open_table(path, columns).rows()]


def _open_table(path: Path, columns: tuple[str, ...]) -> _Table:
    try:
        lines = list(enumerate(read_text_file(path, fallback="latin-1").split("\n"), 1))
    except OSError as error:
        raise TrialError(f"{path}: cannot be read ({error.strerror})") from error
    for number, line in lines[:HEADER_WITHIN_LINES]:
        delimiter = next((mark for mark in "\t;," if mark in line), " ")
        header = _split(line.lstrip("#% "), delimiter)  # numpy writes a header as a comment
        found = [_find(header, column) for column in columns]
        if None not in found:
            return _Table(path, columns, [place for place in found if place], delimiter, len(header), lines[number:])
    first = next((line.strip() for _, line in lines if line.strip()), "")
    units = [f"{name} in {', '.join(_QUANTITIES[name][1])}" for name in columns if name in _QUANTITIES]
    hint = f"; names carry a unit, as in t_ms or 'ECG [uV]': {'; '.join(units)}" if units else ""
    raise TrialError(f"{path}: not a table with the columns {_listed(columns)}; it begins with {first[:80]!r}{hint}")


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return [
            cell.strip() for cell in next(csv.reader([line.strip(" ")], delimiter=delimiter, skipinitialspace=True))
        ]
    except (csv.Error, StopIteration):
        return []


def _find(header: list[str], column: str) -> tuple[int, float] | None:
    """Return position and factor of a column; None if it is not in the header."""
    if column in header:
        return header.index(column), 1.0
    names, units = _QUANTITIES.get(column, ((), {}))
    for place, cell in enumerate(header):
        plain = re.sub(r"[\W_]+", "_", re.sub("[\u00b5\u03bc]", "u", cell.lower())).strip("_")
        name, _, unit = plain.rpartition("_")
        if name in names and unit in units:
            return place, units[unit]
    return None


def _number(path: Path, line: int, name: str, cell: str) -> float:
    try:
        return float(cell.replace(",", "."))
    except ValueError as error:
        raise TrialError(f"{path}:{line}: {name} is {cell!r}, not a number; remove or correct the line") from error


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
