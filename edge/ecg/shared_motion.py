"""Reduces the noise of the RCG: keeps the motion that the points share.

A heartbeat moves all points of the chest, in a few spatial patterns; the noise of the points is independent. The
patterns are the principal components of the points' RCG in the last MEMORY_S seconds. They are followed by orthogonal
iteration (Golub and Van Loan, Matrix Computations, section 8.2.4), one step a block, because an eigendecomposition for
every block would cost as much as the SST.
"""

from __future__ import annotations

import math

import numpy as np

from edge.core.spec import BLOCK_S, RCG_RATE_HZ
from edge.core.types import Float64

PATTERNS = 3
MEMORY_S = 20.0
MAX_POWER_RATIO = 2.0
"""A block counts with at most this multiple of the mean power, so that a movement does not replace the heart's patterns."""


class SharedMotion:
    """Keep the PATTERNS strongest motions that P points share. With PATTERNS points or fewer, nothing is changed."""

    def __init__(self, points: int) -> None:
        self._covariance: Float64 = np.zeros((points, points))
        self._patterns: Float64 | None = None  # [P, PATTERNS], orthonormal
        self._mean_power: float | None = None

    def push(self, rcg_mm_s2: Float64) -> Float64:
        """Return the next block [P, n] without what single points move. Samples that are not finite stay so."""
        if len(self._covariance) <= PATTERNS or rcg_mm_s2.shape[1] == 0:
            return rcg_mm_s2
        finite = np.isfinite(rcg_mm_s2)
        x = np.where(finite, rcg_mm_s2, 0.0)
        patterns = self._follow(x)
        return np.where(finite, patterns @ (patterns.T @ x), np.nan)

    def _follow(self, x: Float64) -> Float64:
        """Add a block to the covariance, and return the patterns."""
        keep = math.exp(-x.shape[1] / (RCG_RATE_HZ * MEMORY_S))
        power = float(np.vdot(x, x)) / x.shape[1]
        mean = power if self._mean_power is None else self._mean_power
        weight = min(1.0, MAX_POWER_RATIO * mean / power) if power else 0.0
        self._mean_power = (keep * mean + (1 - keep) * weight * power) or None  # no motion yet says nothing of the next
        self._covariance = keep * self._covariance + weight * (x @ x.T)
        if self._patterns is None or self._mean_power is None:
            self._patterns = np.linalg.eigh(self._covariance)[1][:, -PATTERNS:]
        else:
            self._patterns = np.linalg.qr(self._covariance @ self._patterns)[0]
        return self._patterns


def keep_shared_motion(rcg_mm_s2: Float64) -> Float64:
    """Return what `SharedMotion` gives for a whole recording [P, n] that arrives in blocks of BLOCK_S, as on the device."""
    shared, block = SharedMotion(len(rcg_mm_s2)), round(BLOCK_S * RCG_RATE_HZ)
    blocks = (rcg_mm_s2[:, start : start + block] for start in range(0, rcg_mm_s2.shape[1], block))
    return np.concatenate([shared.push(part) for part in blocks], axis=1) if rcg_mm_s2.size else rcg_mm_s2
