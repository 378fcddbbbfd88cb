"""Makes single windows: cuts RCG, augments it and computes the SST. Every window depends only on its key."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, SST_BINS, SST_COLUMNS, SST_PAST, SST_WINDOW, SstSpec
from edge.core.types import Float32
from edge.dsp.sst.transform import HighPass, Sst
from train.data.augment import cut, disturb, draw_pace
from train.data.dataset import Recording
from train.data.labels import Labels, exclusion_reason
from train.data.sharing import load_shared

Row = tuple[Float32, Float32, Float32, np.float32, str]
"""A window: x, piece, anchors, cycle and source of `Batch`."""
Wanted = tuple[int, int, tuple[int, int, int, int]]
"""A window to make: number of the recording, row of its labels, key of the random numbers."""
MAX_BEATS = 16
"""In one window: 4 s at 200 bpm contain 14."""
_thread_local = threading.local()


@dataclass(frozen=True)
class WindowMaker:
    """Makes the windows of recordings, with randomly chosen points.

    Without augmentation, windows are read from the recordings' cached spectrograms `cached`, if they have any. Without
    `transform`, other windows are samples [P, spec.segment] instead of spectrograms.
    """

    rcg: Sequence[Float32]
    labels: Sequence[Labels]
    names: Sequence[str]
    cached: Sequence[npt.NDArray[np.float16] | None]
    augment: bool
    spec: SstSpec
    transform: bool = True

    @staticmethod
    def of(recordings: Sequence[Recording], augment: bool, spec: SstSpec, transform: bool = True) -> WindowMaker:
        """Return the maker for recordings; their RCG is high-passed here."""
        rcg = [HighPass().push(r.trial.rcg.astype(np.float64)).astype(np.float32) for r in recordings]
        cached = [None if augment else r.windows for r in recordings]
        labels, names = [r.labels for r in recordings], [r.trial.name for r in recordings]
        return WindowMaker(rcg, labels, names, cached, augment, spec, transform)

    def __call__(self, wanted: Sequence[Wanted], points: int) -> list[Row]:
        """Return the windows, of so many points each.

        All are transformed in one call: the SST computes eight channels at the time of one.
        """
        rows = [self._cut(*each, points) for each in wanted]
        if self.transform and (samples := [row[0] for row in rows if row[0].ndim == 2]):
            made = iter(self._sst(np.concatenate(samples)).reshape(-1, points, SST_BINS, SST_COLUMNS))
            rows = [(next(made), *row[1:]) if row[0].ndim == 2 else row for row in rows]
        return rows

    def _cut(self, number: int, row: int, key: tuple[int, int, int, int], points: int) -> Row:
        """Return a window whose x are samples [P, spec.segment], or its cached spectrograms."""
        rng = np.random.default_rng(key)
        labels, rcg, cached = self.labels[number], self.rcg[number], self.cached[number]
        middle = labels.start[row] + SST_WINDOW / 2
        pace = draw_pace(rng) if self.augment else 1.0
        start = middle - pace * SST_WINDOW / 2
        end = start + pace * SST_WINDOW
        has_class = 0 <= round(labels.length[row] / pace) - CYCLE_MIN < CYCLE_CLASSES
        outside = start - pace * SST_PAST < 0 or end > rcg.shape[1]
        seen = slice(math.floor(start), math.ceil(start + pace * SST_WINDOW))
        if pace != 1.0 and (outside or not has_class or exclusion_reason(labels.beats, seen)):
            pace, start = 1.0, float(labels.start[row])
        chosen = np.arange(len(rcg))  # a network with this number of points may depend on their order
        if points != len(rcg):
            chosen = rng.choice(len(rcg), points, replace=points > len(rcg))
        if cached is None:
            x = cut(rcg, start - pace * SST_PAST, self.spec.segment, pace, chosen)
            x = disturb(x, rng) if self.augment else x
        else:
            x = cached[labels.window[row], chosen].astype(np.float32)
        anchors = np.full(MAX_BEATS, np.nan, np.float32)
        at = (labels.beats.r_peaks - start) / pace
        at = at[(at >= -0.5) & (at < SST_WINDOW - 0.5)][:MAX_BEATS]
        anchors[: len(at)] = at
        cycle = np.float32(labels.length[row] / pace)
        return x, labels.piece[row], anchors, cycle, f"{self.names[number]}, window {labels.window[row]}"

    def _sst(self, segments: Float32) -> Float32:
        shape = len(segments), self.spec
        transforms: dict[tuple[int, SstSpec], Sst] = _thread_local.__dict__.setdefault("transforms", {})
        if shape not in transforms:
            transforms[shape] = Sst(*shape)
        values: Float32 = transforms[shape](segments).values.copy()
        return values


def make_windows(folder: Path, wanted: Sequence[Wanted], points: int) -> list[Row]:
    """Return windows of the maker that `train.data.sharing.save_shared` wrote to `folder`."""
    maker: WindowMaker = load_shared(folder)
    return maker(wanted, points)
