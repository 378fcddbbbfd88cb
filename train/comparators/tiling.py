"""Divides a recording into windows whose kept parts cover every sample exactly once."""

from __future__ import annotations

from typing import NamedTuple

from edge.core.errors import InputError


class Tile(NamedTuple):
    """A window from sample `start` on, of which the samples `kept` (of the recording) are used."""

    start: int
    kept: slice


def tile(samples: int, window: int, before: int, after: int = 0) -> list[Tile]:
    """Return windows whose first `before` and last `after` samples are context only.

    The first window also keeps its context before, the last one its context after; the last one ends with the
    recording. Raises InputError for a recording that is shorter than a window.
    """
    if samples < window:
        raise InputError(f"a recording of {samples} samples; at least {window} are needed")
    tiles, done = [], 0
    for start in range(0, samples - window, window - before - after):
        stop = start + window - after
        tiles.append(Tile(start, slice(done, stop)))
        done = stop
    return [*tiles, Tile(samples - window, slice(done, samples))]
