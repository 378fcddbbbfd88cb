"""Peaks of one row of samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.core.types import Float64


def find_peaks(x: Float64, min_heights: Float64, min_distance: int) -> npt.NDArray[np.int64]:
    """Find the maxima of x [n] that are as high as `min_heights` [n]: their indices [k], rising.

    Of maxima less than `min_distance` samples apart, the highest stays; of equally high ones, the last. A run of equal
    samples between lower ones is one maximum, in its middle. The first and the last sample are never a maximum.
    These are the definitions of `scipy.signal.find_peaks`.
    """
    starts = np.concatenate([[0], np.flatnonzero(np.diff(x)) + 1])  # of runs of equal samples
    ends = np.append(starts[1:], len(x)) - 1
    levels = x[starts]
    is_peak = (levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:])
    peaks = ((starts + ends) // 2)[1:-1][is_peak]
    peaks = peaks[x[peaks] >= min_heights[peaks]]
    first, last = np.searchsorted(peaks, [peaks - min_distance + 1, peaks + min_distance])
    is_kept = np.ones(len(peaks), bool)
    for highest in np.argsort(x[peaks], kind="stable")[::-1]:
        if is_kept[highest]:
            is_kept[first[highest] : last[highest]] = False
            is_kept[highest] = True
    return np.asarray(peaks[is_kept])
