"""Breathing, involuntary small motion and body movement of the whole chest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge.core.types import Bool, Float64
from edge.twin.breathing import Breaths


@dataclass(frozen=True, slots=True)
class Movement:
    """A random body movement: the trunk leans by up to `amplitude_mm`, irregularly, and returns.

    It leans away from the radar (y) and by `sideways_mm` to the side (x).
    """

    start_s: float
    duration_s: float
    amplitude_mm: float
    sideways_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class Unrest:
    """Involuntary motion of a person who sits still (muscles, balance): away_mm [n] at rate_hz from time 0 on."""

    away_mm: Float64
    rate_hz: float

    def at(self, t_s: Float64) -> Float64:
        """Interpolates with cubic splines: linear interpolation would give a step of velocity at every sample."""
        from scipy import ndimage  # here, so that the scenes can be listed without it

        return np.asarray(ndimage.map_coordinates(self.away_mm, t_s[None] * self.rate_hz, order=3, mode="nearest"))


@dataclass(frozen=True, slots=True)
class Body:
    """A trunk that breathes (peak to peak `breathing_mm`) and moves at the given times.

    `breaths`, if given, replace the periodic breathing.
    """

    breathing_rate_bpm: float = 15.0
    breathing_mm: float = 6.0
    movements: tuple[Movement, ...] = ()
    breaths: Breaths | None = None
    unrest: Unrest | None = None

    def breath_mm(self, t_s: Float64) -> Float64:
        """Return the breathing motion [n] at times [n], positive away from the radar (breathing out)."""
        if self.breaths:
            return self.breaths.displacement_mm(t_s)
        turn = 2 * math.pi * self.breathing_rate_bpm / 60 * t_s
        # The second harmonic makes breathing in faster than breathing out, as in people.
        return np.asarray(self.breathing_mm / 2 * (np.cos(turn) + 0.2 * np.cos(2 * turn + 0.9)))

    def lean_mm(self, t_s: Float64) -> Float64:
        """Return movements and involuntary motion [n, 3] in x, y, z at times [n]."""
        lean = np.zeros((len(t_s), 3))
        if self.unrest:
            lean[:, 1] = self.unrest.at(t_s)
        for m in self.movements:
            inside = np.clip((t_s - m.start_s) / m.duration_s, 0, 1)
            sway = np.sin(math.pi * inside) ** 2 * (1 + 0.4 * np.sin(7 * math.pi * inside))
            lean += sway[:, None] * (m.sideways_mm, m.amplitude_mm, 0)
        return lean

    def displacement_mm(self, t_s: Float64) -> Float64:
        """Return the motion of the whole chest [n] at times [n], positive away from the radar."""
        return self.breath_mm(t_s) + self.lean_mm(t_s)[:, 1]

    def moving(self, t_s: Float64) -> Bool:
        """Return at which of the times [n] a movement is in progress."""
        inside = [(t_s >= m.start_s) & (t_s < m.start_s + m.duration_s) for m in self.movements]
        return np.asarray(np.any([np.zeros(len(t_s), bool), *inside], axis=0))
