"""Beats and the vibration they give the chest wall.

Each beat k at R peak T_k moves the chest by a slow pulse and shakes it twice, at the opening and the closure of the
aortic valve: v_i(t) = a_i cos(2 pi f_i (t - T_k - d_i)) exp(-((t - T_k - d_i) / b_i)^2), radarODE-MTL eq. 3 and 4.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from edge.frames import Float64


@dataclass(frozen=True, slots=True)
class Vibration:
    """One term of a beat: amplitude a, frequency f, width b, delay d after the R peak."""

    amplitude_mm: float
    frequency_hz: float
    width_s: float
    delay_s: float


PULSE = Vibration(0.25, 0.0, 0.12, 0.22)
VALVES = (Vibration(0.035, 11.0, 0.045, 0.08), Vibration(0.02, 16.0, 0.035, 0.38))
_REACH_S = 0.8  # beyond this from its R peak a beat moves nothing


class Heart:
    """A heart whose cycle follows breathing (sinus arrhythmia) and drifts slowly; the same for the same seed."""

    def __init__(self, heart_rate_bpm: float = 68.0, breathing_hz: float = 0.25, seed: int = 1) -> None:
        self._mean_s = 60 / heart_rate_bpm
        self._breathing_hz = breathing_hz
        self._rng = np.random.default_rng(seed)
        self._drift = 0.0
        self._beats_s = [-1.0]

    def beats_s(self, start_s: float, end_s: float) -> Float64:
        """R peaks in [start, end)."""
        while self._beats_s[-1] < end_s:
            self._beats_s.append(self._beats_s[-1] + self._next_cycle_s(self._beats_s[-1]))
        return np.array(self._beats_s[bisect_left(self._beats_s, start_s) : bisect_left(self._beats_s, end_s)])

    def displacement_mm(self, t_s: Float64) -> Float64:
        """Motion of the chest wall over the heart at times of any shape, positive away from the radar."""
        if t_s.size == 0:
            return np.zeros(t_s.shape)
        beats = self.beats_s(float(t_s.min()) - _REACH_S, float(t_s.max()) + 0.1)
        since = t_s[..., None] - beats
        # Systole shortens about as the root of the cycle (Bazett); the delays are those of a cycle of one second.
        shortening = np.sqrt(self._mean_s)
        motion = np.zeros_like(since)
        for v in (PULSE, *VALVES):
            late = since - v.delay_s * shortening
            motion -= v.amplitude_mm * np.cos(2 * math.pi * v.frequency_hz * late) * np.exp(-((late / v.width_s) ** 2))
        return np.asarray(motion.sum(axis=-1))

    def rate_bpm(self, end_s: float, window_s: float) -> float | None:
        """Mean rate of the whole cycles in the window that ends now; None when it holds none."""
        beats = self.beats_s(end_s - window_s, end_s)
        return 60 * (len(beats) - 1) / float(beats[-1] - beats[0]) if len(beats) > 1 else None

    def _next_cycle_s(self, now_s: float) -> float:
        self._drift = 0.98 * self._drift + 0.006 * self._rng.standard_normal()
        breathing = 0.03 * math.sin(2 * math.pi * self._breathing_hz * now_s)
        return self._mean_s * (1 + breathing + self._drift + 0.008 * self._rng.standard_normal())
