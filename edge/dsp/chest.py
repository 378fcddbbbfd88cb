"""Range transform and the search for the chest among the range bins."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from edge.chirp import ChirpConfig
from edge.frames import Chest, Complex64, Float64
from edge.spec import BLOCK_S

SEARCH_RANGE_M = (0.2, 2.5)
HISTORY_S = 8.0
PRESENCE_S = 3.0  # long enough for two heartbeats of somebody who holds the breath
FIRST_LOOK_S = 4.0  # at least one breath before the first choice

# A chest stands tens of dB above the bins without motion; in an empty room the best bin is within 1 dB of the median.
PRESENT_CONTRAST_DB = 12.0
# The wrong IQ order mirrors the spectrum: all motion then sits at negative ranges.
MIRROR_MARGIN_DB = 10.0
# Antenna leakage, walls and even a breathing chest repeat from profile to profile; bytes that are not radar data,
# or not of this chirp file, do not.
MIN_COHERENCE = 0.25


@dataclass(frozen=True, slots=True)
class ChestBin:
    """The strongest moving bin and what the whole spectrum says about the data."""

    index: int
    chest: Chest
    mirrored: bool


def range_profile(iq: Complex64) -> Complex64:
    """Range transform of frames [frame, loop, tx, rx, sample] to profiles [frame, tx * rx, bin].

    Loops are averaged; a Hann window keeps the antenna leakage in the first bins out of the chest's.
    """
    samples = iq.shape[-1]
    window = np.hanning(samples + 1)[:-1].astype(np.float32)
    profile: Complex64 = np.fft.fft(iq.mean(axis=1) * window, axis=-1).astype(np.complex64, copy=False)
    return profile.reshape(len(iq), -1, samples)


class ChestFinder:
    """Keeps one profile a block and finds the bin whose echo moves most."""

    def __init__(self, chirp: ChirpConfig) -> None:
        self._range_bin_m = chirp.range_bin_m
        low, high = (metres / chirp.range_bin_m for metres in SEARCH_RANGE_M)
        self._zone = np.arange(max(2, math.ceil(low)), min(chirp.samples // 2 - 1, math.floor(high) + 1))
        self._profiles: deque[Complex64] = deque(maxlen=round(HISTORY_S / BLOCK_S))

    @property
    def zone(self) -> slice:
        """The bins that can hold a chest, with one neighbour on either side."""
        return slice(int(self._zone[0]) - 1, int(self._zone[-1]) + 2)

    @property
    def coherence(self) -> float:
        """How alike successive profiles are, 0..1; 1 before there are two."""
        if len(self._profiles) < 2:
            return 1.0
        history = np.stack(self._profiles)
        alike = np.abs(np.einsum("tcb,tcb->t", history[1:], history[:-1].conj()))
        return float(alike.sum() / (np.square(np.abs(history)).sum() * (len(alike) / len(history)) + 1e-12))

    @property
    def ready(self) -> bool:
        """Enough history to choose a bin."""
        return len(self._profiles) >= FIRST_LOOK_S / BLOCK_S

    def push(self, profile: Complex64) -> None:
        """Adds one profile [channel, bin], about once every BLOCK_S."""
        self._profiles.append(profile)

    def find(self) -> ChestBin:
        """The best bin of the last HISTORY_S. Call when `ready`."""
        history = np.stack(self._profiles)
        mean = history.mean(axis=0)
        total = np.square(np.abs(history)).mean(axis=0).sum(axis=0) + 1e-12
        static = np.square(np.abs(mean)).sum(axis=0)
        moving = np.maximum(total - static, 1e-12)
        index = int(self._zone[moving[self._zone].argmax()])
        mirrored_peak = moving[len(moving) - self._zone].max()
        recent = history[-round(PRESENCE_S / BLOCK_S) :].var(axis=0).sum(axis=0) + 1e-12
        near = slice(index - 1, index + 2)
        contrast_db = _db(recent[near].max() / np.median(recent[self._zone]))
        return ChestBin(
            index=index,
            chest=Chest(self._centre_m(moving, index), contrast_db, contrast_db >= PRESENT_CONTRAST_DB),
            mirrored=_db(mirrored_peak / moving[index]) > MIRROR_MARGIN_DB,
        )

    def moving_db(self, index: int, other: int) -> float:
        """How far the motion in one bin stands above that in another, over the kept history."""
        spread = np.stack(self._profiles)[:, :, [index, other]].var(axis=0).sum(axis=0) + 1e-12
        return _db(spread[0] / spread[1])

    def _centre_m(self, moving: Float64, index: int) -> float:
        near = np.arange(index - 1, index + 2)
        return float((near * moving[near]).sum() / moving[near].sum() * self._range_bin_m)


def _db(ratio: float) -> float:
    return 10 * math.log10(ratio)
