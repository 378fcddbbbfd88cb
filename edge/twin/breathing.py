"""Breathing, breath by breath: no two are alike, and some are followed by a pause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.types import Float64


@dataclass(frozen=True, slots=True)
class Breaths:
    """Breaths [n], each in, out and a pause; together they cover the time in which they are asked for.

    start_s rises; in_s and out_s fit before the next start; depth_mm is peak to peak.
    """

    start_s: Float64
    in_s: Float64
    out_s: Float64
    depth_mm: Float64

    def displacement_mm(self, t_s: Float64) -> Float64:
        """Motion of the chest at times of any shape: 0 breathed out, -depth_mm breathed in, towards the radar."""
        breath, since_s = self._breath(t_s)
        out = smooth_step((since_s - self.in_s[breath]) / self.out_s[breath])
        return np.asarray(self.depth_mm[breath] * (out - smooth_step(since_s / self.in_s[breath])))

    def state(self, t_s: float) -> float:
        """-1 breathed in, 1 breathed out, whatever the depth."""
        breath, since_s = self._breath(np.array(t_s))
        out = smooth_step((since_s - self.in_s[breath]) / self.out_s[breath])
        return float(1 + 2 * (out - smooth_step(since_s / self.in_s[breath])))

    def _breath(self, t_s: Float64) -> tuple[np.ndarray, Float64]:
        breath = np.clip(np.searchsorted(self.start_s, t_s, "right") - 1, 0, len(self.start_s) - 1)
        return breath, np.asarray(t_s - self.start_s[breath])


def smooth_step(share: Float64) -> Float64:
    """0 up to 0, 1 from 1 on, between with steady speed and acceleration: a jump of either would sound like a beat."""
    x = np.clip(share, 0, 1)
    return np.asarray(x**3 * (10 - 15 * x + 6 * x**2))
