"""The network's outputs of the last WINDOW_S as evidence about the heart rate."""

from __future__ import annotations

import numpy as np

from edge.core.spec import RCG_RATE_HZ, SST_WINDOW, WINDOW_S
from edge.core.types import EcgBlock, Float32, Float64
from edge.filters.smoothing import gaussian_smooth
from edge.vitals.beat_heart_rate import MAX_AGE_S, BeatHistory
from edge.vitals.rate_evidence import (
    LONGEST_CYCLE_S,
    RateEvidence,
    autocorrelate,
    beat_evidence,
    cycle_evidence,
    periodicity,
)

SMOOTHING_S = 0.03  # of the anchors: beats never have exactly equal cycles

_SAMPLES = round(WINDOW_S * RCG_RATE_HZ)
_LAGS = round(2 * LONGEST_CYCLE_S * RCG_RATE_HZ) + 2


class NetworkHistory:
    """Collect anchors, the latest cycle output, and the beats from EcgBlocks."""

    def __init__(self) -> None:
        self.beats = BeatHistory()
        self.reset()

    def reset(self) -> None:
        """Discard everything, because the stream was interrupted or the chest may be another one."""
        self.beats.reset()
        self._sum: Float64 = np.zeros(_SAMPLES)  # of the anchors of the windows that contain each sample
        self._windows: Float64 = np.zeros(_SAMPLES)  # number of these windows
        self._end = 0
        self._cycle: Float32 | None = None
        self._age_s = 0.0

    def advance(self, seconds: float) -> None:
        """Advance the time of the stream, whether or not ECG was computed from it."""
        self.beats.advance(seconds)
        self._age_s += seconds

    def push(self, ecg: EcgBlock) -> None:
        """Add the outputs and beats of a block. Earlier ones are discarded if it does not continue the previous one."""
        if not ecg.continues:
            self.reset()
        self.beats.push(ecg)
        step = min(ecg.window_end - self._end, _SAMPLES)
        self._end, self._age_s, self._cycle = ecg.window_end, 0.0, ecg.outputs.cycle
        for values, new in ((self._sum, ecg.outputs.anchor), (self._windows, 1.0)):
            values[: _SAMPLES - step] = values[step:].copy()
            values[_SAMPLES - step :] = 0
            values[-SST_WINDOW:] += new

    def evidence(self) -> dict[str, RateEvidence]:
        """Return the evidence `anchors`, `cycle` and `beats`; none if the latest outputs are older than MAX_AGE_S."""
        if self._cycle is None or self._age_s > MAX_AGE_S:
            return {}
        seen = np.flatnonzero(self._windows)[0]
        density = self._sum[seen:] / np.maximum(self._windows[seen:], 1)
        density = gaussian_smooth(density, SMOOTHING_S * RCG_RATE_HZ)
        found = {
            "anchors": periodicity(autocorrelate(density[None], _LAGS)[0], RCG_RATE_HZ),
            "cycle": cycle_evidence(self._cycle),
        }
        beats = self.beats.rate()
        return found | {"beats": beat_evidence(beats)} if beats else found
