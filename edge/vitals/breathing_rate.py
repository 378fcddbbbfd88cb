"""Breathing rate from the chest's displacement."""

from __future__ import annotations

import numpy as np

from edge.core.spec import BREATHING_RATE_RANGE_BPM, RCG_RATE_HZ
from edge.core.types import Float64, RateEstimate, RcgBlock

WINDOW_S = 24.0
MIN_WINDOW_S = 9.0
_STEP = 20  # decimates to 10 Hz: breathing is far slower, and the mean over 0.1 s suppresses the heart
_RATE_HZ = RCG_RATE_HZ / _STEP
_PADDED = 8192


class BreathingEstimator:
    """Find the strongest line in the spectrum of the displacement; its share of the band's power is the confidence."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discard the history, because the chest moved and its displacement is not breathing alone."""
        self._samples: list[float] = []
        self._rest: Float64 = np.zeros(0)

    def push(self, block: RcgBlock) -> None:
        """Add a block. A restart discards the history before it."""
        if block.restarted:
            self.reset()
        chest_mm = np.concatenate([self._rest, block.weights @ block.displacement_mm])
        whole = len(chest_mm) // _STEP * _STEP
        self._samples += chest_mm[:whole].reshape(-1, _STEP).mean(axis=1).tolist()
        self._rest = chest_mm[whole:]
        del self._samples[: -round(WINDOW_S * _RATE_HZ)]

    def estimate(self) -> RateEstimate:
        """Return the breathing rate over the last WINDOW_S; no rate before MIN_WINDOW_S."""
        n = len(self._samples)
        if n < MIN_WINDOW_S * _RATE_HZ:
            return RateEstimate()
        t = np.linspace(-1, 1, n)
        track = np.array(self._samples)
        track -= np.polynomial.Polynomial.fit(t, track, 1)(t)
        power = np.square(np.abs(np.fft.rfft(track * np.hanning(n), _PADDED)))
        per_minute = np.fft.rfftfreq(_PADDED, 1 / _RATE_HZ) * 60
        low, high = BREATHING_RATE_RANGE_BPM
        band = np.flatnonzero((per_minute >= low) & (per_minute <= high))
        if not power[band].any():
            return RateEstimate()
        peak = band[power[band].argmax()]
        line = np.abs(per_minute - per_minute[peak]) <= 2 * 60 * _RATE_HZ / n  # the Hann window's main lobe
        return RateEstimate(float(per_minute[peak]), float(power[band][line[band]].sum() / power[band].sum()))
