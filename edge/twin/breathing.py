"""Breathing as a sequence of different breaths, some of them followed by a pause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.types import Float64


@dataclass(frozen=True, slots=True)
class Breaths:
    """Breaths [n], each consisting of inspiration, expiration and a pause; they must cover the requested times.

    start_s is ascending; in_s plus out_s ends before the next start; depth_mm is peak to peak.
    """

    start_s: Float64
    in_s: Float64
    out_s: Float64
    depth_mm: Float64

    def displacement_mm(self, t_s: Float64) -> Float64:
        """Return the chest's motion at times of any shape: 0 after expiration, -depth_mm after inspiration."""
        breath, since_s = self._breath(t_s)
        out = smooth_step((since_s - self.in_s[breath]) / self.out_s[breath])
        return np.asarray(self.depth_mm[breath] * (out - smooth_step(since_s / self.in_s[breath])))

    def state(self, t_s: float) -> float:
        """Return -1 after inspiration and 1 after expiration, independent of the depth."""
        breath, since_s = self._breath(np.array(t_s))
        out = smooth_step((since_s - self.in_s[breath]) / self.out_s[breath])
        return float(1 + 2 * (out - smooth_step(since_s / self.in_s[breath])))

    def _breath(self, t_s: Float64) -> tuple[np.ndarray, Float64]:
        breath = np.clip(np.searchsorted(self.start_s, t_s, "right") - 1, 0, len(self.start_s) - 1)
        return breath, np.asarray(t_s - self.start_s[breath])


def smooth_step(share: Float64) -> Float64:
    """Return 0 below 0, 1 above 1, and between them a step with continuous speed and acceleration.

    A jump of speed or acceleration would look like a heartbeat.
    """
    x = np.clip(share, 0, 1)
    return np.asarray(x**3 * (10 - 15 * x + 6 * x**2))
