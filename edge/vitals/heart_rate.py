"""Beats to a heart rate with its interval, to the variability of the cycles, and to a hint of an irregular rhythm.

A cycle, from one decided beat to the next, counts unless it is far from the others: there a beat was missed or
invented. The rate is that of the mean cycle of the last WINDOW_S; its interval says where the mean lies, as the cycles
spread. Variability needs longer: RMSSD and SDNN are of the last RHYTHM_S (Task Force, Circulation 93 (1996) 1043), and
the radar's own timing error, some 10 ms a beat, is in them.
"""

from __future__ import annotations

import math

import numpy as np

from edge.frames import BeatRate, Bool, EcgEstimate, Float64, Rhythm
from edge.spec import RCG_RATE_HZ, WINDOW_S

RHYTHM_S = 60.0
FEWEST_CYCLES = 3
RHYTHM_CYCLES = 20
RHYTHM_SHARE = 0.8  # of the cycles must count
ALIKE = math.log(1.6)  # a missed beat makes a cycle twice as long; fibrillation seldom does
TIMING_S = 0.015  # standard error of one beat's time (docs/results.md): no interval is narrower than it makes
IRREGULAR = 0.08
"""Median change from cycle to cycle over the mean cycle: one extrasystole does not move a median."""


class BeatList:
    """Streaming: stretches of the ECG in, what the latest beats say out."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """What follows is not of the same stretch of time."""
        self._beats: Float64 = np.zeros((2, 0))  # time since the stream's start in s, confidence
        self._ripe_s = 0.0

    def push(self, estimate: EcgEstimate) -> None:
        """Adds a stretch that continues the last."""
        self._ripe_s = (estimate.sample0 + len(estimate.ecg)) / RCG_RATE_HZ
        beats = np.concatenate([self._beats, [estimate.r_peaks / RCG_RATE_HZ, estimate.confidence]], axis=1)
        self._beats = beats[:, beats[0] > self._ripe_s - RHYTHM_S]

    def rate(self) -> BeatRate | None:
        """Of the last WINDOW_S; None with fewer than FEWEST_CYCLES."""
        beats_s, confidence = self._beats[:, self._beats[0] > self._ripe_s - WINDOW_S]
        cycles_s = np.diff(beats_s)
        cycles_s = cycles_s[_alike(cycles_s)]
        if len(cycles_s) < FEWEST_CYCLES:
            return None
        mean_s = float(cycles_s.mean())
        error_s = 1.96 * math.hypot(float(cycles_s.std(ddof=1)), TIMING_S) / math.sqrt(len(cycles_s))
        interval = (60 / (mean_s + error_s), 60 / max(mean_s - error_s, mean_s / 2))
        return BeatRate(60 / mean_s, interval, len(beats_s), float(confidence.mean()))

    def rhythm(self) -> Rhythm | None:
        """Of the last RHYTHM_S; None with fewer than RHYTHM_CYCLES, or where too many are doubtful."""
        cycles_s = np.diff(self._beats[0])
        alike = _alike(cycles_s)
        if len(cycles_s) < RHYTHM_CYCLES or alike.mean() < RHYTHM_SHARE:
            return None
        changes_s = np.diff(cycles_s)[alike[1:] & alike[:-1]]
        return Rhythm(
            rmssd_ms=1000 * float(np.sqrt(np.square(changes_s).mean())),
            sdnn_ms=1000 * float(cycles_s[alike].std(ddof=1)),
            irregular=bool(np.median(np.abs(changes_s)) > IRREGULAR * cycles_s[alike].mean()),
        )


def _alike(cycles_s: Float64) -> Bool:
    """Which cycles are as long as the others, about."""
    middle = np.median(cycles_s) if len(cycles_s) else 1.0
    return np.asarray(np.abs(np.log(cycles_s / middle)) < ALIKE)
