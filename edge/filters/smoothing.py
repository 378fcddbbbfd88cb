"""Smoothing of one row of samples; beyond its ends the row is zero."""

from __future__ import annotations

import numpy as np

from edge.core.types import Float64


def gaussian_smooth(x: Float64, sigma: float) -> Float64:
    """Average x [n] with the weights of a normal distribution, cut at four standard deviations."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    return np.convolve(x, weights / weights.sum(), "same")


def sliding_maximum(x: Float64, before: int, after: int) -> Float64:
    """Return the largest of each sample of x [n], the `before` samples before it and the `after` samples after it."""
    padded = np.pad(x, (before, after), constant_values=-np.inf)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, before + 1 + after).max(axis=1))
