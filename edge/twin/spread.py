"""Propagation of the heart's motion over the chest: weaker and later with the distance from its origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.types import Float64
from edge.twin.heart import Heart

APEX_M = (0.04, -0.03)  # x, z on the chest: left of the breastbone


@dataclass(frozen=True, slots=True)
class Spread:
    """Parameters of the propagation; positions are x, z on the chest in metres.

    `floor` is the fraction of the motion that reaches every point of the trunk. It changes by `slope_per_m`; with a
    steep slope it becomes negative on one side: that side moves inwards while the apex moves outwards.
    """

    apex_m: tuple[float, float] = APEX_M
    base_m: tuple[float, float] = APEX_M
    reach_m: float = 0.08
    floor: float = 0.12
    slope_per_m: tuple[float, float] = (0.0, 0.0)
    wave_m_s: float = 10.0  # engineering assumption: shear waves in soft tissue run at 1 to 20 m/s

    def motion_mm(self, heart: Heart, t_s: Float64, x: Float64, z: Float64) -> Float64:
        """Return the heart's motion [n, P] at times [n, 1] and positions [P], positive away from the radar."""
        parts = ((self.apex_m, None),) if self.apex_m == self.base_m else ((self.apex_m, False), (self.base_m, True))
        motion = np.zeros((len(t_s), len(x)))
        for spot, at_base in parts:
            share, late_s = self.reached(spot, x, z)
            motion += share * heart.displacement_mm(t_s - late_s, at_base)
        return motion

    def reached(self, spot_m: tuple[float, float], x: Float64, z: Float64) -> tuple[Float64, Float64]:
        """Return the fraction [P] of the motion that starts at `spot_m`, and its delay [P] in s."""
        aside, above = x - spot_m[0], z - spot_m[1]
        away_m = np.hypot(aside, above)
        near = (1 - self.floor) * np.exp(-((away_m / self.reach_m) ** 2))
        share = near + self.floor * (1 + self.slope_per_m[0] * aside + self.slope_per_m[1] * above)
        return np.asarray(share), away_m / self.wave_m_s
