"""Reads the positions of beats and the cycle length from the outputs of single windows (radarODE-MTL Table I).

Each task's figures depend on its own output only: the R peaks are the maxima of the anchor output, whatever the cycle
output is. The device's stitcher, in contrast, combines both (`edge.ecg.stitcher`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage, signal

from edge.core.spec import CYCLE_MIN, RCG_RATE_HZ, SST_WINDOW
from edge.core.types import Float32, Float64, TaskOutputs
from train.data.labels import Labels
from train.evaluation.metrics import BeatMatch, match_beats

MIN_DISTANCE = round(0.25 * RCG_RATE_HZ)
"""Between two beats, in samples: 240 bpm."""
HALF_WIDTH = 8
"""The probability of a beat is the sum within 40 ms of it."""
MIN_RELATIVE_PROBABILITY = 0.3
"""A maximum below this fraction of the window's most probable beat is not a beat."""
MIN_GAIN = 2.0
"""A beat is at least so many times as probable as under a uniform output, which has no beat."""
_SMOOTHING_SIGMA = 2.0
_FIT_REACH = 4  # samples on both sides of a maximum; the targets have a standard deviation of 2


def beat_positions(anchor: Float32 | Float64) -> Float64:
    """Return the R peaks [k] of an anchor output [800] in samples from the window's start, rising."""
    p = anchor.astype(np.float64)
    smooth = ndimage.gaussian_filter1d(p, _SMOOTHING_SIGMA, mode="reflect")  # a beat at the edge stays there
    tops = signal.find_peaks(np.pad(smooth, 1), distance=MIN_DISTANCE)[0] - 1
    width = 2 * HALF_WIDTH + 1
    probability = ndimage.convolve1d(p, np.ones(width), mode="constant")[tops]
    least = max(MIN_RELATIVE_PROBABILITY * probability.max(initial=0), MIN_GAIN * width / len(p) * p.sum())
    return np.array([_fit_maximum(p, int(top)) for top in tops[probability >= least]])


def cycle_length(outputs: TaskOutputs) -> float:
    """Return the cycle length of a window in samples: the maximum of the cycle output, between classes."""
    return CYCLE_MIN + _fit_maximum(outputs.cycle.astype(np.float64), int(outputs.cycle.argmax()))


def window_beats(window_outputs: Iterable[TaskOutputs], labels: Labels) -> BeatMatch:
    """Match the R peaks of every window's anchor output with the true ones, which are not rounded to samples."""
    matches = []
    for outputs, start in zip(window_outputs, labels.start, strict=True):
        true = labels.beats.r_peaks - start
        inside = (true >= -0.5) & (true < SST_WINDOW - 0.5)
        matches.append(match_beats(beat_positions(outputs.anchor), true[inside]))
    timing = np.concatenate([np.zeros(0), *(match.timing_ms for match in matches)])
    return BeatMatch(timing, sum(match.missed for match in matches), sum(match.false for match in matches))


def _fit_maximum(p: Float64, top: int) -> float:
    """Return the position of a Gaussian peak near `top`: a parabola through log p, weighted by p.

    It is exact for the targets of training, also where the end of the axis cuts off a part of the Gaussian, as the
    centre of gravity is not.
    """
    at = np.arange(max(0, top - _FIT_REACH), min(len(p), top + _FIT_REACH + 1))
    values = np.maximum(p[at], 1e-12 * p.max())
    bend, slope, _ = np.polyfit(at - top, np.log(values), 2, w=values / values.max())
    offset = -slope / (2 * bend) if bend < 0 else 0.0
    return float(np.clip(top + np.clip(offset, -_FIT_REACH, _FIT_REACH), -0.5, len(p) - 0.5))
