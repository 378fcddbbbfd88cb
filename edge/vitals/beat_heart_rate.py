"""Beats to a heart rate with its interval, to the variability of the cycles, and to a hint of an irregular rhythm.

A cycle, from one decided beat to the next, counts unless it is far from the others: there a beat was missed or
invented. The rate is that of the mean cycle of the last WINDOW_S; its interval says where the mean lies, as the cycles
spread. Beside it stands what tells a right rate from a wrong one: whether the network's heads and its windows say the
same. Variability needs longer: RMSSD and SDNN are of the last RHYTHM_S (Task Force, Circulation 93 (1996) 1043), and
the radar's own timing error, some 10 ms a beat, is in them.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from edge.core.spec import CYCLE_CLASSES, RCG_RATE_HZ, VITALS_PERIOD_S, WINDOW_S
from edge.core.types import BeatRate, Bool, EcgBlock, Float64, Rhythm

RHYTHM_S = 60.0
MIN_CYCLES = 3
MIN_RHYTHM_CYCLES = 20
MIN_RHYTHM_FRACTION = 0.8  # of the cycles must count
MAX_LOG_RATIO = math.log(1.6)  # a missed beat makes a cycle twice as long; fibrillation seldom does
BEAT_TIMING_ERROR_S = (
    0.015  # standard error of one beat's time (docs/results.md): no interval is narrower than it makes
)
IRREGULAR_FRACTION = 0.08
"""Median change from cycle to cycle over the mean cycle: one extrasystole does not move a median."""
MAX_AGE_S = 2.5  # a stretch comes every second; after so long without one the rate is not of now


class BeatHistory:
    """Streaming: stretches of the ECG in, what the latest beats say out."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """What follows is not of the same stretch of time, or not of the same chest."""
        self._beats_s: Float64 = np.zeros(0)  # since the stream's start
        self._entropies: deque[float] = deque(maxlen=round(WINDOW_S / VITALS_PERIOD_S))  # of each window's cycle
        self._emitted_until_s = 0.0
        self._age_s = 0.0

    def advance(self, seconds: float) -> None:
        """So much more of the stream has come, whatever became of it."""
        self._age_s += seconds

    def push(self, ecg: EcgBlock) -> None:
        """Adds a stretch; one that does not continue the last begins a new list."""
        if not ecg.continues:
            self.reset()
        self._emitted_until_s = (ecg.estimate.sample0 + len(ecg.estimate.ecg)) / RCG_RATE_HZ
        beats_s = np.concatenate([self._beats_s, ecg.estimate.r_peaks / RCG_RATE_HZ])
        self._beats_s = beats_s[beats_s > self._emitted_until_s - RHYTHM_S]
        self._entropies.append(_entropy(ecg.outputs.cycle))
        self._age_s = 0.0

    def rate(self) -> BeatRate | None:
        """Of the last WINDOW_S; None with fewer than MIN_CYCLES, or when no stretch has come for MAX_AGE_S."""
        beats_s = self._beats_s[self._beats_s > self._emitted_until_s - WINDOW_S]
        cycles_s = np.diff(beats_s)
        inlier = _inliers(cycles_s)
        cycles_s = cycles_s[inlier]
        if self._age_s > MAX_AGE_S or len(cycles_s) < MIN_CYCLES:
            return None
        mean_s, deviation_s = float(cycles_s.mean()), float(cycles_s.std(ddof=1))
        error_s = 1.96 * math.hypot(deviation_s, BEAT_TIMING_ERROR_S) / math.sqrt(len(cycles_s))
        return BeatRate(
            bpm=60 / mean_s,
            ci95_bpm=(60 / (mean_s + error_s), 60 / max(mean_s - error_s, mean_s / 2)),
            n_beats=len(beats_s),
            outlier_fraction=1 - float(inlier.mean()),
            entropy=float(np.mean(self._entropies)),
        )

    def rhythm(self) -> Rhythm | None:
        """Of the last RHYTHM_S; None with fewer than MIN_RHYTHM_CYCLES, or where too many are doubtful."""
        cycles_s = np.diff(self._beats_s)
        inlier = _inliers(cycles_s)
        if len(cycles_s) < MIN_RHYTHM_CYCLES or inlier.mean() < MIN_RHYTHM_FRACTION:
            return None
        changes_s = np.diff(cycles_s)[inlier[1:] & inlier[:-1]]
        return Rhythm(
            rmssd_ms=1000 * float(np.sqrt(np.square(changes_s).mean())),
            sdnn_ms=1000 * float(cycles_s[inlier].std(ddof=1)),
            irregular=bool(np.median(np.abs(changes_s)) > IRREGULAR_FRACTION * cycles_s[inlier].mean()),
        )


def _inliers(cycles_s: Float64) -> Bool:
    """Which cycles are about as long as the others."""
    middle = np.median(cycles_s) if len(cycles_s) else 1.0
    return np.asarray(np.abs(np.log(cycles_s / middle)) < MAX_LOG_RATIO)


def _entropy(cycle: np.ndarray) -> float:
    """Of the distribution of the cycle's length, over the largest possible."""
    share = cycle[cycle > 0].astype(np.float64)
    return -float(share @ np.log(share)) / math.log(CYCLE_CLASSES)
