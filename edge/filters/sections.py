"""Filters of second-order sections, computed by `_sections.c`. It is built at installation, which needs a C compiler.

Sections [S, 6] are those of `edge.filters.butterworth` and of SciPy: b0, b1, b2, 1, a1, a2 in each row.
"""

from __future__ import annotations

import ctypes

import numpy as np

from edge.core.compiled import address, load_library, require_compiled
from edge.core.types import Float64

_LIBRARY = load_library("edge.filters._sections", "sections_version", [1])


class SectionFilter:
    """Causal filter along time for P channels that keeps its state between blocks. May raise NotCompiledError.

    It starts at rest, or with `settled` as if each channel had always had the value of its first sample.
    """

    def __init__(self, sections: Float64, settled: bool = False) -> None:
        self._sections = sections
        self._start = settled_state(sections) if settled else np.zeros((len(sections), 2))
        self._state: Float64 | None = None

    def __call__(self, x: Float64) -> Float64:
        """Filter the next samples [P, n] of the P channels, n > 0."""
        if self._state is None:
            self._state = self._start * x[:, :1, None]
        return filter_in_place(self._sections, x, self._state)


def filter_both_ways(sections: Float64, x: Float64) -> Float64:
    """Filter rows [P, n] forwards and backwards, so without a delay; SciPy's sosfiltfilt. May raise NotCompiledError.

    The rows are extended at both ends, rotated by half a turn around the last sample. Raises ValueError if they are
    shorter than this extension.
    """
    edge = 3 * (2 * len(sections) + 1 - min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum()))
    if x.shape[1] <= edge:
        raise ValueError(f"{x.shape[1]} samples; a filter of {len(sections)} sections needs more than {edge}")
    before, after = 2 * x[:, :1] - x[:, edge:0:-1], 2 * x[:, -1:] - x[:, -2 : -edge - 2 : -1]
    y = SectionFilter(sections, settled=True)(np.concatenate([before, x, after], axis=1))
    y = SectionFilter(sections, settled=True)(y[:, ::-1])
    return np.asarray(y[:, ::-1][:, edge:-edge])


def settled_state(sections: Float64) -> Float64:
    """Return the state [S, 2] after a constant input of 1."""
    b, a = sections[:, :3], sections[:, 3:]
    gains = b.sum(axis=1) / a.sum(axis=1)
    first = (b[:, 1:] - a[:, 1:] * b[:, :1]).sum(axis=1) / a.sum(axis=1)
    second = (1 + a[:, 1]) * first - (b[:, 1] - a[:, 1] * b[:, 0])
    return np.asarray(np.stack([first, second], axis=1) * np.concatenate([[1.0], np.cumprod(gains[:-1])])[:, None])


def filter_in_place(sections: Float64, x: Float64, state: Float64) -> Float64:
    """Filter x [P, n] from `state` [P, S, 2], which is replaced by the state after the last sample."""
    sections, x = (np.ascontiguousarray(array, np.float64) for array in (sections, x))
    y = np.empty(x.shape)
    channels, n = map(ctypes.c_long, x.shape)
    run = require_compiled(_LIBRARY).filter_sections
    run(address(sections), len(sections), address(x), address(y), channels, n, address(state))
    return y
