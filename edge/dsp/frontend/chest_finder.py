"""Range transform and the search for the chest among the range bins."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from scipy.fft import fft

from edge.core.spec import BLOCK_S
from edge.core.types import Chest, Complex64, Float64
from edge.radar.chirp import ChirpConfig, chest_bins

HISTORY_S = 8.0
PRESENCE_S = 3.0  # long enough for two heartbeats of somebody who holds the breath
MIN_HISTORY_S = 4.0  # at least one breath before the first choice

# A chest stands tens of dB above the bins without motion; in an empty room all bins differ by chance alone.
PRESENT_CONTRAST_DB = 12.0
# The wrong IQ order mirrors the spectrum: all motion then sits at negative ranges.
MIRROR_MARGIN_DB = 10.0
# Antenna leakage, walls and even a breathing chest repeat from profile to profile; bytes that are not radar data,
# or not of this chirp file, do not.
MIN_COHERENCE = 0.25


def range_profile(iq: Complex64) -> Complex64:
    """Range transform of frames [frame, loop, tx, rx, sample] to profiles [frame, tx * rx, bin].

    Loops are averaged; a Hann window keeps the antenna leakage in the first bins out of the chest's.
    """
    samples = iq.shape[-1]
    window = np.hanning(samples + 1)[:-1].astype(np.float32)
    averaged = iq[:, 0] if iq.shape[1] == 1 else iq.mean(axis=1)
    profile: Complex64 = fft(averaged * window, overwrite_x=True)  # scipy's: single precision, several rows at once
    return profile.reshape(len(iq), -1, samples)


class ChestFinder:
    """Keeps one profile a block and finds the bin whose echo moves most. Raises InputError when no bin can be it."""

    def __init__(self, chirp: ChirpConfig, range_bias_m: float = 0.0) -> None:
        self._range_bin_m, self._range_bias_m = chirp.range_bin_m, range_bias_m
        self._zone = np.array(chest_bins(chirp, range_bias_m))
        self._profiles: deque[Complex64] = deque(maxlen=round(HISTORY_S / BLOCK_S))

    @property
    def zone(self) -> slice:
        """The bins that can hold a chest, with one neighbour on either side."""
        return slice(int(self._zone[0]) - 1, int(self._zone[-1]) + 2)

    @property
    def coherence(self) -> float:
        """How similarity successive profiles are, 0..1; 1 before there are two."""
        if len(self._profiles) < 2:
            return 1.0
        history = np.stack(self._profiles)
        similarity = np.abs(np.einsum("tcb,tcb->t", history[1:], history[:-1].conj()))
        return float(similarity.sum() / (np.square(np.abs(history)).sum() * (len(similarity) / len(history)) + 1e-12))

    @property
    def ready(self) -> bool:
        """Enough history to choose a bin."""
        return len(self._profiles) >= MIN_HISTORY_S / BLOCK_S

    def push(self, profile: Complex64) -> None:
        """Adds one profile [channel, bin], about once every BLOCK_S."""
        self._profiles.append(profile)

    def find(self) -> tuple[int, bool]:
        """The bin that moved most in the last HISTORY_S, and whether a mirrored one moved far more (wrong IQ order)."""
        moving = _moving(np.stack(self._profiles))
        index = int(self._zone[moving[self._zone].argmax()])
        return index, _db(moving[len(moving) - self._zone].max() / moving[index]) > MIRROR_MARGIN_DB

    def chest_at(self, index: int) -> Chest:
        """What the last PRESENCE_S say of a chest in this bin and its neighbours."""
        moving = _moving(np.stack(self._profiles)[-round(PRESENCE_S / BLOCK_S) :])
        near = np.arange(index - 1, index + 2)
        contrast_db = _db(moving[near].max() / np.median(moving[self._zone]))
        centre_m = float((near * moving[near]).sum() / moving[near].sum() * self._range_bin_m)
        return Chest(centre_m - self._range_bias_m, contrast_db, contrast_db >= PRESENT_CONTRAST_DB)

    def moving_db(self, index: int, other: int) -> float:
        """How far the motion in one bin stands above that in another, over the kept history."""
        moving = _moving(np.stack(self._profiles))
        return _db(moving[index] / moving[other])


def _moving(history: Complex64) -> Float64:
    """Power [bin] of what changes over the profiles [time, channel, bin], never zero."""
    return np.asarray(history.var(axis=0).sum(axis=0, dtype=np.float64) + 1e-12)


def _db(ratio: float) -> float:
    return 10 * math.log10(ratio)
