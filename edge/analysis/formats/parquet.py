"""Parquet: the table of `Result.to_dataframe`; the metadata has units, start and description."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow  # type: ignore[import-untyped]
from pyarrow import parquet

from edge.analysis.result import Result

_UNITS = {"_mv": "mV", "_bpm": "1/min", "_m": "m", "_ms": "ms", "_ns": "ns"}


def write_file(result: Result, path: Path) -> None:
    """Write the file. Unknown numbers and empty text are null. Raises OSError."""
    arrays, fields = [], []
    for name, values in result.columns().items():
        if name == "t_unix_ns":
            name, array = "time", pyarrow.array(values, pyarrow.timestamp("ns", "UTC"))
        elif values.dtype.kind == "U":
            array = pyarrow.array(values.astype(object), pyarrow.string(), mask=values == "").dictionary_encode()
        else:
            array = pyarrow.array(values, from_pandas=True)
        unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
        arrays.append(array)
        fields.append(pyarrow.field(name, array.type, metadata={"unit": unit}))
    about = {"about": json.dumps(result.about.lines()), "start_unix_ns": str(result.start_ns)}
    schema = pyarrow.schema(fields, metadata=about)
    parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), path, compression="zstd")
