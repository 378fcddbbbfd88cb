"""Heart rate with a confidence interval, heart-rate variability, and a hint of an irregular rhythm, from single beats.

A cycle is the time between two successive beats. Cycles whose length is far from the median are ignored, because a beat
was missed or detected wrongly. The heart rate is that of the mean cycle of the last WINDOW_S; its interval follows from
the spread of the cycles. Variability needs longer: RMSSD and SDNN are computed over RHYTHM_S (Task Force, Circulation
93 (1996) 1043) and contain the radar's own timing error, about 10 ms a beat.
"""

from __future__ import annotations

import math
from statistics import median

import numpy as np

from edge.core.spec import RCG_RATE_HZ, WINDOW_S
from edge.core.types import BeatRate, Bool, EcgBlock, Float64, Rhythm

RHYTHM_S = 60.0
MIN_CYCLES = 3
MIN_RHYTHM_CYCLES = 20
MIN_RHYTHM_FRACTION = 0.8  # of the cycles must not be outliers
MAX_LOG_RATIO = math.log(1.6)  # a missed beat doubles the cycle; fibrillation rarely changes it this much
BEAT_TIMING_ERROR_S = 0.015  # standard error of one beat's time (docs/results.md); a lower limit of the spread
IRREGULAR_FRACTION = 0.08
"""Threshold of the median change between cycles over the mean cycle; a median ignores a single extrasystole."""
MAX_AGE_S = 2.5  # ECG arrives every second; without new ECG for this long the rate is outdated


class BeatHistory:
    """Collect the beats of a stream of EcgBlocks and compute rate and rhythm from the latest ones."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discard all beats, because the stream was interrupted or the chest may be another one."""
        self._beats_s: Float64 = np.zeros(0)  # time since the start of the stream
        self._emitted_until_s = 0.0
        self._age_s = 0.0

    def advance(self, seconds: float) -> None:
        """Advance the time of the stream, whether or not ECG was computed from it."""
        self._age_s += seconds

    def push(self, ecg: EcgBlock) -> None:
        """Add the beats of a block. Earlier beats are discarded if the block does not continue the previous one."""
        if not ecg.continues:
            self.reset()
        self._emitted_until_s = (ecg.estimate.sample0 + len(ecg.estimate.ecg)) / RCG_RATE_HZ
        beats_s = np.concatenate([self._beats_s, ecg.estimate.r_peaks / RCG_RATE_HZ])
        self._beats_s = beats_s[beats_s > self._emitted_until_s - RHYTHM_S]
        self._age_s = 0.0

    def rate(self) -> BeatRate | None:
        """Return the heart rate of the last WINDOW_S.

        None with fewer than MIN_CYCLES cycles, or if the latest ECG is older than MAX_AGE_S.
        """
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
        )

    def rhythm(self) -> Rhythm | None:
        """Return the variability of the last RHYTHM_S; None with too few cycles or too many outliers."""
        cycles_s = np.diff(self._beats_s)
        inlier = _inliers(cycles_s)
        if len(cycles_s) < MIN_RHYTHM_CYCLES or inlier.mean() < MIN_RHYTHM_FRACTION:
            return None
        changes_s = np.diff(cycles_s)[inlier[1:] & inlier[:-1]]
        return Rhythm(
            rmssd_ms=1000 * float(np.sqrt(np.square(changes_s).mean())),
            sdnn_ms=1000 * float(cycles_s[inlier].std(ddof=1)),
            irregular=median(np.abs(changes_s).tolist()) > IRREGULAR_FRACTION * float(cycles_s[inlier].mean()),
        )


def _inliers(cycles_s: Float64) -> Bool:
    """Return which cycles are close to the median cycle."""
    middle = median(cycles_s.tolist()) if len(cycles_s) else 1.0
    return np.asarray(np.abs(np.log(cycles_s / middle)) < MAX_LOG_RATIO)
