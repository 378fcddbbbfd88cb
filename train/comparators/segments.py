"""Training data of networks that map RCG to an ECG: segments of recordings, with the augmentation of all trainings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edge.core.errors import InputError
from edge.core.spec import SST_WINDOW
from edge.core.types import Float32, Float64
from edge.dsp.sst.transform import HighPass
from train.data.augment import cut, disturb, draw_pace
from train.data.dataset import Recording
from train.data.labels import clean_ecg
from train.data.trial import Trial

MIN_POWER = 1e-20
"""Lower limit of a point's mean square in the unit of the RCG, for points without signal."""


@dataclass(frozen=True)
class SegmentBatch:
    """B segments of n samples: rcg [B, P, n], each point with a mean square of 1; positions [B, P, 3] in m; ecg [B, n].

    reference [B, 1, n]: a further signal of the recording that is neither filtered nor disturbed; zeros without one.
    """

    rcg: Tensor
    positions: Tensor
    ecg: Tensor
    reference: Tensor


class Segments:
    """Draws segments of `length` samples from the labelled windows of recordings.

    `references`: a signal [n] of each recording. Raises InputError for a recording without ECG, or if nothing is
    labelled.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        length: int,
        points: int,
        augment: bool,
        references: Sequence[Float64] | None = None,
    ) -> None:
        self._length, self._augment = length, augment
        self._rows: list[Float32] = []
        self._positions: list[Float32] = []
        self._starts: list[tuple[int, int]] = []
        for number, recording in enumerate(recordings):
            trial = recording.trial
            if trial.ecg is None:
                raise InputError(f"{trial.name} has no ECG; a network that computes a long ECG cannot learn from it")
            reference = np.zeros(len(trial.ecg)) if references is None else references[number]
            ecg = clean_ecg(trial.ecg, recording.labels.beats)
            rcg = high_passed(trial, points)
            self._rows.append(np.concatenate([rcg, ecg[None], reference[None].astype(np.float32)]))
            self._positions.append(positions_m(trial, points))
            self._starts += [(number, int(start)) for start in recording.labels.start]
        if not self._starts:
            raise InputError("the data set has no usable window for this part of the split; see what was excluded")

    def draw(self, rng: np.random.Generator, count: int) -> SegmentBatch:
        """Return `count` random segments, with replacement."""
        chosen = rng.integers(len(self._starts), size=count)
        return self._stack([self._make(int(number), rng) for number in chosen])

    def sample_evenly(self, count: int, size: int) -> Iterator[SegmentBatch]:
        """Yield batches of `size` of `count` segments (or all windows, if fewer), the same in every call."""
        chosen = np.unique(np.linspace(0, len(self._starts) - 1, count).round().astype(np.int64))
        for first in range(0, len(chosen), size):
            yield self._stack([self._make(int(number), None) for number in chosen[first : first + size]])

    def _make(self, window: int, rng: np.random.Generator | None) -> tuple[Float32, Float32]:
        """Return the rows of a segment in the window, at a random place if `rng` is given, and the positions."""
        number, start = self._starts[window]
        rows, spare = self._rows[number], SST_WINDOW - self._length
        begin, pace = float(start + spare // 2), 1.0
        if rng is not None:
            begin = float(start + rng.integers(spare + 1))
            pace = draw_pace(rng) if self._augment else 1.0
            first = begin + self._length * (1 - pace) / 2
            if first < 0 or first + self._length * pace > rows.shape[1]:
                pace = 1.0
            else:
                begin = first
        segment = cut(rows, begin, self._length, pace)
        if rng is not None and self._augment:
            segment = np.concatenate([disturb(segment[:-2], rng), segment[-2:]])
        return np.concatenate([normalised(segment[:-2]), segment[-2:]]), self._positions[number]

    def _stack(self, made: Sequence[tuple[Float32, Float32]]) -> SegmentBatch:
        rows = torch.from_numpy(np.stack([rows for rows, _ in made]))
        positions = torch.from_numpy(np.stack([positions for _, positions in made]))
        return SegmentBatch(rows[:, :-2], positions, rows[:, -2], rows[:, -1:])


def high_passed(trial: Trial, points: int) -> Float32:
    """Return the RCG [points, n] of evenly chosen points, without breathing and posture, as before the SST.

    Raises InputError for a trial with fewer points.
    """
    rcg = trial.rcg[_chosen(trial, points)]
    return np.asarray(HighPass().push(rcg.astype(np.float64)), np.float32)


def positions_m(trial: Trial, points: int) -> Float32:
    """Return the positions [points, 3] of the same points relative to their mean; zeros if unknown."""
    if trial.points_m is None:
        return np.zeros((points, 3), np.float32)
    chosen = trial.points_m[_chosen(trial, points)]
    return np.asarray(chosen - chosen.mean(axis=0), np.float32)


def normalised(rcg: Float32) -> Float32:
    """Scale each point of RCG [..., P, n] to a mean square of 1."""
    power = np.square(rcg, dtype=np.float64).mean(axis=-1, keepdims=True)
    return np.asarray(rcg / np.sqrt(power + MIN_POWER), np.float32)


def _chosen(trial: Trial, points: int) -> list[int]:
    if points > len(trial.rcg):
        raise InputError(f"{trial.name} has {len(trial.rcg)} points, not {points}; set points under [data]")
    return [int(k) for k in np.linspace(0, len(trial.rcg) - 1, points).round()]
