"""Detector of random body movement: motion of the chest that is neither breathing nor heartbeat.

Two features of each block are used: the rms speed of the whole chest between 1 and 8 Hz, where there is no breathing
and little motion by the heart; and its increase over the recent median, because some people sit less still than others.
Their weights are fitted (`train.fit_quality`).
"""

from __future__ import annotations

from collections import deque
from statistics import median

import numpy as np

from edge.core.spec import BLOCK_S, RCG_RATE_HZ, WINDOW_S
from edge.core.types import Float64, MovementLevel, RcgBlock
from edge.filters.butterworth import butterworth
from edge.filters.sections import SectionFilter
from edge.vitals.quality_model import QUALITY_MODEL

HOLD_S = 1.0  # at the turning point of a movement the body is still for a moment
MAX_SPEED_FRACTION = 0.6  # of the fastest motion that the frame rate can follow; above it the phase is unreliable
BAND_HZ = (1.0, 8.0)
SPEED_FLOOR_MM_S = 1e-3  # avoids the logarithm of 0
_SECTIONS = butterworth(2, BAND_HZ, "bandpass", RCG_RATE_HZ)
_LEVELS: tuple[MovementLevel, ...] = ("none", "mild", "extensive")


class MovementDetector:
    """Compute the level of movement block by block. A level is held for HOLD_S."""

    def __init__(self, max_speed_mm_s: float) -> None:
        self._limit_mm_s = MAX_SPEED_FRACTION * max_speed_mm_s
        self._held_s = [np.inf, np.inf]  # time since the level was at least mild, and since it was extensive
        self.score = -np.inf
        """Log odds that the chest moved in the latest block."""
        self._recent_sway: deque[float] = deque(maxlen=round(WINDOW_S / BLOCK_S))
        self._last_mm: Float64 | None = None

    @property
    def level(self) -> MovementLevel:
        """Return the highest level of the last HOLD_S."""
        return _LEVELS[sum(since_s < HOLD_S for since_s in self._held_s)]

    def push(self, block: RcgBlock) -> MovementLevel:
        """Add a block and return `level`."""
        self.score = QUALITY_MODEL.movement.score(self.features(block))
        is_too_fast = block.speed_mm_s > self._limit_mm_s
        for k, needed in enumerate((QUALITY_MODEL.movement.mild, QUALITY_MODEL.movement.extensive)):
            since_s = self._held_s[k] + len(block.covered) / RCG_RATE_HZ
            self._held_s[k] = 0.0 if is_too_fast or self.score > needed else since_s
        return self.level

    def features(self, block: RcgBlock) -> dict[str, float]:
        """Return `sway`, ln of the rms speed in BAND_HZ in mm/s, and `rise`, its excess over the median of WINDOW_S."""
        x = block.displacement_mm
        if block.restarted or self._last_mm is None:
            self._last_mm, self._filter = x[:, :1], SectionFilter(_SECTIONS, settled=True)
        steps = np.diff(np.concatenate([self._last_mm, x], axis=1), axis=1)
        self._last_mm = x[:, -1:]
        # The weights apply to steps: applied to positions, a change of the weights would look like a step.
        speed_mm_s = block.weights @ steps * RCG_RATE_HZ
        swaying = self._filter(speed_mm_s[None])
        sway = float(np.log(np.sqrt(np.square(swaying).mean()) + SPEED_FLOOR_MM_S))
        self._recent_sway.append(sway)
        return {"sway": sway, "rise": sway - median(self._recent_sway)}
