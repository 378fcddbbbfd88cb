"""Finds the R peaks of a reference ECG, such as one of a chest strap.

The slope of the QRS complex is far steeper than that of all other waves: the energy of the slope between 5 and 20 Hz,
smoothed over a QRS complex, has one maximum a beat (Pan and Tompkins, IEEE Trans. Biomed. Eng. 32 (1985) 230). The R
peak is the extreme of the ECG near it, to a fraction of a sample.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from edge.core.types import Float64
from edge.filters.butterworth import butterworth
from edge.filters.peaks import find_peaks
from edge.filters.sections import filter_both_ways
from edge.filters.smoothing import sliding_maximum, sliding_mean, sliding_median

MIN_RATE_HZ = 50.0
_QRS_BAND_HZ = (5.0, 20.0)
_QRS_S = 0.12
_MIN_DISTANCE_S = 0.3
_LONGEST_CYCLE_S = 2.0  # every interval of this length contains a beat
_NEIGHBOURHOOD_S = 8.0  # a beat is compared with the typical one within this time
_MIN_ENERGY = 0.1  # of it; T waves have less than 0.03
_REACH_S = 0.06
_BASELINE_HZ = 0.7


def find_r_peaks(ecg: Float64, rate_hz: float) -> Float64:
    """Find the R peaks of an ECG [n], at least MIN_RATE_HZ: times in seconds after its first sample [k], rising."""
    if len(ecg) < _NEIGHBOURHOOD_S * rate_hz or np.ptp(ecg) == 0:
        return np.zeros(0)
    steep = _filtered(ecg, rate_hz, "bandpass", *_QRS_BAND_HZ)
    energy = sliding_mean(np.gradient(steep) ** 2, round(_QRS_S * rate_hz))
    step = round(rate_hz * _QRS_S / 2)  # the typical energy of a beat changes slowly: computed at few samples
    cycle = round(_LONGEST_CYCLE_S * rate_hz)
    largest = sliding_maximum(energy, cycle // 2, (cycle - 1) // 2, step)
    usual = sliding_median(largest, round(_NEIGHBOURHOOD_S * rate_hz / step))
    usual = np.interp(np.arange(len(ecg)), np.arange(len(usual)) * step, usual)
    maxima = find_peaks(energy, _MIN_ENERGY * usual, round(_MIN_DISTANCE_S * rate_hz))
    level = _filtered(ecg, rate_hz, "highpass", _BASELINE_HZ)
    reach = max(1, round(_REACH_S * rate_hz))
    maxima = maxima[(maxima > reach) & (maxima < len(ecg) - reach - 1)]
    if len(maxima) == 0:
        return np.zeros(0)
    beats = level[maxima[:, None] + np.arange(-reach, reach + 1)]
    upright = np.median(beats.max(axis=1)) >= np.median(-beats.min(axis=1))
    tops = maxima - reach + (beats if upright else -beats).argmax(axis=1)
    before, at, after = (level[tops + shift] * (1 if upright else -1) for shift in (-1, 0, 1))
    bend = before - 2 * at + after
    fraction = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, -1), 0.0)
    return np.asarray(np.unique(tops + np.clip(fraction, -0.5, 0.5)) / rate_hz)


def _filtered(ecg: Float64, rate_hz: float, kind: Literal["bandpass", "highpass"], *edges_hz: float) -> Float64:
    return np.asarray(filter_both_ways(butterworth(2, edges_hz, kind, rate_hz), ecg[None])[0])
