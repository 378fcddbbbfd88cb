"""Random body movement: whether the chest moves otherwise than by breathing and by the heart, and how much.

Two signs are taken of each block: how fast the chest as a whole moves between 1 and 8 Hz, where breathing has ended
and the heart moves it by little; and how much faster that is than usual, since some people sit less quietly than
others. What they mean is fitted (`train.fit_quality`).
"""

from __future__ import annotations

from collections import deque
from statistics import median

import numpy as np
from scipy import signal

from edge.core.spec import BLOCK_S, RCG_RATE_HZ, WINDOW_S
from edge.core.types import Float64, MovementLevel, RcgBlock
from edge.vitals.quality_model import QUALITY_MODEL

HOLD_S = 1.0  # a body that turns back stands still for a moment on the way
MAX_SPEED_FRACTION = 0.6  # of the fastest motion the frame rate can follow: above, the phase is not to be trusted
BAND_HZ = (1.0, 8.0)
SPEED_FLOOR_MM_S = 1e-3  # less is nothing
_SOS = signal.butter(2, BAND_HZ, "bandpass", fs=RCG_RATE_HZ, output="sos")
_LEVELS: tuple[MovementLevel, ...] = ("none", "mild", "extensive")


class MovementDetector:
    """Streaming: blocks in, the level of movement out, held for HOLD_S."""

    def __init__(self, max_speed_mm_s: float) -> None:
        self._limit_mm_s = MAX_SPEED_FRACTION * max_speed_mm_s
        self._held_s = [np.inf, np.inf]  # since it was at least mild, since it was extensive
        self.score = -np.inf
        """ln of the odds that the latest block moved."""
        self._recent_sway: deque[float] = deque(maxlen=round(WINDOW_S / BLOCK_S))
        self._last_mm: Float64 | None = None
        self._state: Float64 | None = None

    @property
    def level(self) -> MovementLevel:
        """The highest of the last HOLD_S."""
        return _LEVELS[sum(since_s < HOLD_S for since_s in self._held_s)]

    def push(self, block: RcgBlock) -> MovementLevel:
        """Adds a block and returns `level`."""
        self.score = QUALITY_MODEL.movement.score(self.features(block))
        is_too_fast = block.speed_mm_s > self._limit_mm_s
        for k, needed in enumerate((QUALITY_MODEL.movement.mild, QUALITY_MODEL.movement.extensive)):
            since_s = self._held_s[k] + len(block.covered) / RCG_RATE_HZ
            self._held_s[k] = 0.0 if is_too_fast or self.score > needed else since_s
        return self.level

    def features(self, block: RcgBlock) -> dict[str, float]:
        """`sway`: ln of the block's rms speed in BAND_HZ in mm/s; `rise`: beyond its median over WINDOW_S."""
        x = block.displacement_mm
        if block.restarted or self._last_mm is None:
            self._last_mm, self._state = x[:, :1], None
        steps = np.diff(np.concatenate([self._last_mm, x], axis=1), axis=1)
        self._last_mm = x[:, -1:]
        speed_mm_s = block.weights @ steps * RCG_RATE_HZ  # of steps, not of places: where weights change there is none
        if self._state is None:
            self._state = signal.sosfilt_zi(_SOS) * speed_mm_s[0]
        swaying, self._state = signal.sosfilt(_SOS, speed_mm_s, zi=self._state)
        sway = float(np.log(np.sqrt(np.square(swaying).mean()) + SPEED_FLOOR_MM_S))
        self._recent_sway.append(sway)
        return {"sway": sway, "rise": sway - median(self._recent_sway)}
