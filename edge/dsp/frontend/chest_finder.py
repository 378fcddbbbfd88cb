"""Search for the chest among the range bins."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

import numpy as np

from edge.core.spec import BLOCK_S
from edge.core.types import Chest, Complex64, Float64
from edge.radar.chirp import ChirpConfig, chest_bins

HISTORY_S = 8.0
PRESENCE_S = 3.0  # at least two heartbeats, for a person who holds their breath
MIN_HISTORY_S = 4.0  # at least one breath before the first choice

# A chest is tens of dB above the bins without motion. In an empty room bins differ by noise only.
PRESENT_CONTRAST_DB = 12.0
# The wrong IQ order mirrors the spectrum, so that all motion appears at negative ranges.
MIRROR_MARGIN_DB = 10.0
# Profiles of antenna leakage, walls and even a breathing chest are similar from one to the next. Data that are not
# from a radar, or not of this chirp file, are not.
MIN_COHERENCE = 0.25


class ChestFinder:
    """Find the range bin whose echo moves most, from one profile a block.

    Raises InputError if no bin is within the range of a chest.
    """

    def __init__(self, chirp: ChirpConfig, range_bias_m: float = 0.0) -> None:
        self._range_bin_m, self._range_bias_m = chirp.range_bin_m, range_bias_m
        self._zone = np.array(chest_bins(chirp, range_bias_m))
        self._profiles: deque[Complex64] = deque(maxlen=round(HISTORY_S / BLOCK_S))
        self._powers: deque[float] = deque(maxlen=round(HISTORY_S / BLOCK_S))
        self._similarities: deque[float] = deque(maxlen=round(HISTORY_S / BLOCK_S) - 1)

    @property
    def zone(self) -> slice:
        """Return the bins that can contain a chest, with one neighbour on each side."""
        return slice(int(self._zone[0]) - 1, int(self._zone[-1]) + 2)

    @property
    def coherence(self) -> float:
        """Return the similarity of successive profiles, 0..1; 1 before there are two."""
        steps = len(self._similarities)
        return sum(self._similarities) / (sum(self._powers) * steps / (steps + 1) + 1e-12) if steps else 1.0

    @property
    def ready(self) -> bool:
        """Return whether the history is long enough to choose a bin."""
        return len(self._profiles) >= MIN_HISTORY_S / BLOCK_S

    def push(self, profile: Complex64) -> None:
        """Add one profile [channel, bin], about once every BLOCK_S."""
        if self._profiles:
            self._similarities.append(float(np.abs(np.vdot(self._profiles[-1], profile))))
        self._powers.append(float(np.vdot(profile, profile).real))
        self._profiles.append(profile.copy())  # not a view, which would keep the whole block in memory

    def find(self) -> tuple[int, bool]:
        """Return the bin with most motion in HISTORY_S, and whether a mirrored bin moves far more (wrong IQ order)."""
        moving = _moving(np.stack(self._profiles))
        index = int(self._zone[moving[self._zone].argmax()])
        return index, _db(moving[len(moving) - self._zone].max() / moving[index]) > MIRROR_MARGIN_DB

    def chest_at(self, index: int) -> Chest:
        """Estimate range, contrast and presence of a chest around this bin from the last PRESENCE_S."""
        moving = self._recent_motion()
        near = np.arange(index - 1, index + 2)
        contrast_db = _db(moving[near].max() / self._median(moving))
        centre_m = float((near * moving[near]).sum() / moving[near].sum() * self._range_bin_m)
        return Chest(centre_m - self._range_bias_m, contrast_db, contrast_db >= PRESENT_CONTRAST_DB)

    def motion_profile(self) -> tuple[Float64, Float64]:
        """Return the distances [n] in m up to the zone's end, and the motion there in dB relative to the zone's median.

        Like the contrast of `chest_at`, it is of the last PRESENCE_S. Both are empty before the first profile.
        """
        if not self._profiles:
            return np.zeros(0), np.zeros(0)
        range_m = np.arange(self.zone.stop) * self._range_bin_m - self._range_bias_m
        moving = self._recent_motion()
        power_db = 10 * np.log10(moving[: self.zone.stop] / self._median(moving))
        return range_m[range_m >= 0], power_db[range_m >= 0]

    def moving_db(self, index: int, other: int) -> float:
        """Return the motion in one bin relative to another, in dB, over the history."""
        moving = _moving(np.stack(self._profiles))
        return _db(moving[index] / moving[other])

    def _recent_motion(self) -> Float64:
        recent = range(max(0, len(self._profiles) - round(PRESENCE_S / BLOCK_S)), len(self._profiles))
        return _moving(np.stack([self._profiles[k] for k in recent]))

    def _median(self, moving: Float64) -> float:
        """Return the median of the zone; that of NumPy imports `numpy.ma`, which takes 0.1 s."""
        return float(median(moving[self._zone].tolist()))


def _moving(history: Complex64) -> Float64:
    """Return the power [bin] of the changes in profiles [time, channel, bin]; it is never zero."""
    return np.asarray(history.var(axis=0).sum(axis=0, dtype=np.float64) + 1e-12)


def _db(ratio: float) -> float:
    return 10 * math.log10(ratio)
