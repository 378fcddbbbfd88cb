"""CSV: comment lines that start with #, then the table of `Result.to_dataframe` with a row for each sample."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.analysis.result import Result

UNITS = (
    "t_unix_ns: nanoseconds since 1970-01-01 UTC; ecg_mv: mV, QRS complex scaled to 1; r_peak_confidence: 0 to 1, in "
    "the row of each R peak; all further columns: in one row a second; empty: unknown or withheld"
)
_DIGITS = {"ecg_mv": 4, "sqi": 3, "r_peak_confidence": 3, "chest_range_m": 4, "frames_lost": 0}


def write_file(result: Result, path: Path) -> None:
    """Write the file. Raises OSError."""
    table = result.columns()
    columns = [_text(values, _DIGITS.get(name, 2)) for name, values in table.items()]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {line}\n" for line in (*result.about.lines(), UNITS))
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(table)
        rows.writerows(zip(*columns, strict=True))


def _text(values: npt.NDArray[Any], digits: int) -> list[Any]:
    if values.dtype.kind != "f":
        return list(values.tolist())
    text = [""] * len(values)
    for k in np.flatnonzero(~np.isnan(values)).tolist():
        text[k] = f"{values[k]:.{digits}f}"
    return text
