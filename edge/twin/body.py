"""Breathing and body movement of the whole chest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge.frames import Float64


@dataclass(frozen=True, slots=True)
class Movement:
    """A random body movement: the trunk leans by up to `amplitude_mm` and comes back, unsteadily."""

    start_s: float
    duration_s: float
    amplitude_mm: float


@dataclass(frozen=True, slots=True)
class Body:
    """A trunk at rest that breathes and, at the times given, moves."""

    breathing_rate_bpm: float = 15.0
    breathing_mm: float = 6.0
    movements: tuple[Movement, ...] = ()

    def displacement_mm(self, t_s: Float64) -> Float64:
        """Motion [n] at times [n], positive away from the radar (breathing out)."""
        turn = 2 * math.pi * self.breathing_rate_bpm / 60 * t_s
        # The second harmonic makes breathing in quicker than breathing out, as it is.
        motion = self.breathing_mm / 2 * (np.cos(turn) + 0.2 * np.cos(2 * turn + 0.9))
        for m in self.movements:
            inside = np.clip((t_s - m.start_s) / m.duration_s, 0, 1)
            sway = np.sin(math.pi * inside) ** 2 * (1 + 0.4 * np.sin(7 * math.pi * inside))
            motion = motion + m.amplitude_mm * sway
        return motion
