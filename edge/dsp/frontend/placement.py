"""Helps to aim the radar: the motion at each distance, the chest's breathing, and one sentence of advice."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edge.core.spec import BLOCK_S
from edge.core.types import Chest, Float64, RcgBlock

TRACE_S = 10.0
NEAR_M, FAR_M = 0.3, 1.0  # nearer, only a part of the chest is in the beam; farther, the echo is weak
ASIDE_DEG = 12.0  # at this angle the echo has lost 2 dB (one way) of the strength straight ahead
WEAK_DB = 25.0


class BreathingTrace:
    """The chest's motion in the last TRACE_S, one value a block."""

    def __init__(self) -> None:
        self._trace: deque[float] = deque(maxlen=round(TRACE_S / BLOCK_S))
        self._offset_mm = 0.0

    def push(self, block: RcgBlock) -> None:
        """Add a block; one with new points continues at the last value, because its displacement begins at 0."""
        away_mm = float((block.weights @ block.displacement_mm).mean())
        if block.restarted:
            self._offset_mm = -away_mm - (self._trace[-1] if self._trace else 0.0)
        self._trace.append(-away_mm - self._offset_mm)

    def values_mm(self) -> Float64:
        """Return the trace, positive towards the radar, about its mean."""
        trace = np.array(self._trace)
        return trace - trace.mean() if len(trace) else trace


class Aim(NamedTuple):
    """What the advice depends on. `azimuth_deg` is None if the antennas cannot measure it."""

    is_silent: bool
    problem: str | None
    chest: Chest | None
    is_moving: bool
    azimuth_deg: float | None


Rule = Callable[[Aim, Chest], bool]
_BEFORE_CHEST: tuple[tuple[Callable[[Aim], bool], str], ...] = (
    (lambda aim: aim.is_silent, "No radar frames: start the radar, and check its cable with radarecg doctor."),
    (lambda aim: aim.problem is not None, "The data cannot be used: check the chirp file with radarecg doctor."),
    (lambda aim: aim.chest is None, "Wait: the search for a chest needs 4 seconds."),
)
_OF_CHEST: tuple[tuple[Rule, str], ...] = (
    (lambda aim, chest: not chest.present, "Aim at the chest: nothing that breathes between 0.3 and 2 m."),
    (lambda aim, chest: aim.is_moving, "Sit still: the aim cannot be judged while you move."),
    (lambda aim, chest: chest.range_m < NEAR_M, "Too close: move the radar back, to about 0.5 m."),
    (lambda aim, chest: chest.range_m > FAR_M, "Too far: come nearer, to about 0.5 m."),
    (
        lambda aim, chest: aim.azimuth_deg is not None and abs(aim.azimuth_deg) > ASIDE_DEG,
        "Off centre: turn the radar until it points straight at the chest.",
    ),
    (lambda aim, chest: chest.contrast_db < WEAK_DB, "Weak echo: point the radar at the middle of the chest."),
)
GOOD_ADVICE = "Good: the radar points at the chest."


def advise(aim: Aim) -> str:
    """Return the advice of the first rule that applies."""
    for applies, text in _BEFORE_CHEST:
        if applies(aim):
            return text
    assert aim.chest  # the last rule above
    return next((text for applies_to, text in _OF_CHEST if applies_to(aim, aim.chest)), GOOD_ADVICE)


def mean_azimuth_deg(points_m: Float64 | None, weights: Float64) -> float | None:
    """Return the direction of the tracked points [P, 3] from straight ahead; None without positions."""
    if points_m is None or len(points_m) != len(weights):
        return None
    x, y, _ = weights @ points_m
    return math.degrees(math.atan2(x, y))
