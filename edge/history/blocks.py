"""Packed rows of the history: sixty seconds, or sixty minutes, are one compressed block of columns.

A row for each second would need some 30 bytes, most of them SQLite's own; in a block of sixty it needs about 10. Rates
are integers in hundredths per minute, distances in millimetres; 0 is unknown. The layouts are a file format: a change
needs another SCHEMA_VERSION of the store.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.core.types import Float64, Vitals

Int64 = npt.NDArray[np.int64]
Block = npt.NDArray[Any]
"""An array without axes, or of [n] blocks, of the type SECONDS or MINUTES."""

SLOTS = 60
MAX_FLAGS = 32
RATE_STEPS, RANGE_STEPS = 100, 1000
STATES = ("good", "degraded", "unusable")  # stored as 1, 2, 3; 0 is a second without vitals
MOVEMENTS = ("none", "mild", "extensive")  # stored as 0, 1, 2

# Each mean, and the count of the seconds that it is the mean of.
MEANS = {
    "heart_rate": "valid",
    "ci95_low": "interval",
    "ci95_high": "interval",
    "breathing_rate": "breathing",
    "chest_range": "chest",
}
STEPS = {name: RANGE_STEPS if name == "chest_range" else RATE_STEPS for name in MEANS}
COUNTS = ("recorded", "good", *dict.fromkeys(MEANS.values()), "present", "moving", "rhythm", "irregular")

SECONDS = np.dtype(
    [(name, "<u2", SLOTS) for name in MEANS]
    + [("flags", "<u4", SLOTS)]
    + [(name, "u1", SLOTS) for name in ("state", "movement", "rhythm")]
)
MINUTES = np.dtype(
    [(name, "<u2", SLOTS) for name in MEANS]
    + [(name, "u1", SLOTS) for name in COUNTS]
    + [("flags", "u1", (SLOTS, MAX_FLAGS))]
)


@dataclass(frozen=True)
class Totals:
    """Counts [n] of seconds, sums [n] of the values of MEANS in their steps, seconds [n, MAX_FLAGS] of each flag."""

    counts: dict[str, Int64]
    sums: dict[str, Float64]
    flags: npt.NDArray[Any]

    def grouped(self, size: int) -> Totals:
        """Return the totals of each `size` consecutive rows."""
        return Totals(
            {name: values.reshape(-1, size).sum(axis=1) for name, values in self.counts.items()},
            {name: values.reshape(-1, size).sum(axis=1) for name, values in self.sums.items()},
            self.flags.reshape(-1, size, MAX_FLAGS).sum(axis=1, dtype=np.int64),
        )

    def selected(self, rows: npt.NDArray[Any]) -> Totals:
        """Return these rows only."""
        return Totals(
            {name: values[rows] for name, values in self.counts.items()},
            {name: values[rows] for name, values in self.sums.items()},
            self.flags[rows],
        )

    def mean(self, name: str) -> Float64:
        """Return a mean in its steps; NaN where it is the mean of nothing."""
        return ratio(self.sums[name], self.counts[MEANS[name]])


def ratio(values: Float64 | Int64, of: Int64) -> Float64:
    """Return values [n] / of [n], NaN where `of` is 0."""
    result: Float64 = np.divide(values, of, out=np.full(len(of), np.nan), where=of > 0)
    return result


def empty(layout: np.dtype[Any]) -> Block:
    """Return a block in which nothing is known."""
    return np.zeros((), layout)


def pack(block: Block) -> bytes:
    """Compress a block."""
    return zlib.compress(block.tobytes())


def unpack(blobs: Iterable[bytes], layout: np.dtype[Any]) -> Block:
    """Return the blocks [n] of these blobs; a damaged one, which its checksum shows, is empty."""
    nothing = bytes(layout.itemsize)
    return np.frombuffer(bytearray().join(_content(blob, nothing) for blob in blobs), layout)


def _content(blob: bytes, nothing: bytes) -> bytes:
    try:
        content = zlib.decompress(blob)
    except zlib.error:
        return nothing
    return content if len(content) == len(nothing) else nothing


def set_second(block: Block, slot: int, vitals: Vitals, bits: Mapping[str, int]) -> None:
    """Write one second's vitals into a slot of a block of seconds. `bits` has the bit of each flag."""
    low, high = vitals.ci95_bpm or (None, None)
    block["heart_rate"][slot] = _steps(vitals.heart_rate_bpm, RATE_STEPS)
    block["ci95_low"][slot] = _steps(low, RATE_STEPS)
    block["ci95_high"][slot] = _steps(high, RATE_STEPS)
    block["breathing_rate"][slot] = _steps(vitals.breathing_rate_bpm, RATE_STEPS)
    block["chest_range"][slot] = _steps(vitals.chest_range_m, RANGE_STEPS)
    block["flags"][slot] = sum(1 << bits[flag] for flag in set(vitals.quality.flags) if flag in bits)
    block["state"][slot] = 1 + STATES.index(vitals.quality.state)
    block["movement"][slot] = MOVEMENTS.index(vitals.movement)
    block["rhythm"][slot] = 0 if vitals.rhythm is None else 1 + vitals.rhythm.irregular


def _steps(value: float | None, steps: int) -> int:
    return min(max(round(value * steps), 0), 65535) if value is not None and math.isfinite(value) else 0


def totals_of_seconds(blocks: Block) -> Totals:
    """Return the totals of every second of blocks [n]: 60 n rows."""
    column = {name: blocks[name].reshape(-1).astype(np.int64) for name in SECONDS.names or ()}
    recorded, moving = column["state"] > 0, column["movement"] > 0
    counts = {
        "recorded": recorded,
        "good": column["state"] == 1 + STATES.index("good"),
        "valid": column["heart_rate"] > 0,
        "interval": column["ci95_high"] > 0,
        "breathing": column["breathing_rate"] > 0,
        "chest": column["chest_range"] > 0,
        "present": (column["chest_range"] > 0) | moving,
        "moving": moving,
        "rhythm": column["rhythm"] > 0,
        "irregular": column["rhythm"] > 1,
    }
    return Totals(
        {name: counts[name].astype(np.int64) for name in COUNTS},
        {name: column[name].astype(float) for name in MEANS},
        column["flags"][:, None] >> np.arange(MAX_FLAGS) & 1,
    )


def totals_of_minutes(blocks: Block) -> Totals:
    """Return the totals of every minute of blocks [n]: 60 n rows."""
    counts = {name: blocks[name].reshape(-1).astype(np.int64) for name in COUNTS}
    sums = {name: blocks[name].reshape(-1) * counts[count].astype(float) for name, count in MEANS.items()}
    return Totals(counts, sums, blocks["flags"].reshape(-1, MAX_FLAGS))


def set_minute(block: Block, slot: int, seconds: Block) -> None:
    """Write the aggregate of a block of seconds into a slot of a block of minutes."""
    minute = totals_of_seconds(seconds).grouped(SLOTS)
    for name in MEANS:
        block[name][slot] = np.rint(np.nan_to_num(minute.mean(name)[0]))
    for name in COUNTS:
        block[name][slot] = minute.counts[name][0]
    block["flags"][slot] = minute.flags[0]
