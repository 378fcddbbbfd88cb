"""Smoothing of one row of samples, and statistics of a window that moves along it, as in `scipy.ndimage`."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edge.core.types import Float64


def gaussian_smooth(x: Float64, sigma: float) -> Float64:
    """Average x [n] with the weights of a normal distribution, cut at four standard deviations; zero beyond its ends.

    `sigma` is in samples.
    """
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    return np.convolve(x, weights / weights.sum(), "same")


def sliding_mean(x: Float64, size: int) -> Float64:
    """Return the mean [n] of the `size` samples of x [n] around each one; beyond its ends x is mirrored."""
    return np.convolve(_extended(x, size, "symmetric"), np.full(size, 1 / size), "valid")


def sliding_median(x: Float64, size: int) -> Float64:
    """Return the median [n] of the `size` samples of x [n] around each one; beyond its ends x is constant.

    Of an even number, it is the larger one of the two in the middle.
    """
    windows = sliding_window_view(_extended(x, size, "edge"), size)
    return np.asarray(np.partition(windows, size // 2, axis=1)[:, size // 2])


def sliding_maximum(x: Float64, before: int, after: int, step: int = 1) -> Float64:
    """Return the largest of each sample of x [n], the `before` samples before it and the `after` samples after it.

    Only of each `step`-th sample, from the first one on.
    """
    padded = np.pad(x, (before, after), constant_values=-np.inf)
    return np.asarray(sliding_window_view(padded, before + 1 + after)[::step].max(axis=1))


def _extended(x: Float64, size: int, mode: Literal["symmetric", "edge"]) -> Float64:
    """Extend x [n] to a window of `size` samples around each; of an even window, the smaller half is after it."""
    return np.pad(x, (size // 2, (size - 1) // 2), mode)
