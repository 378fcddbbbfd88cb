"""Prepares batches of windows on demand: RCG is cut, augmented and transformed while the network trains.

Every window depends only on (seed, epoch, batch, position in the batch). A resumed run therefore uses the same windows
as an uninterrupted one, with any number of threads.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.core.errors import InputError
from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, SST_BINS, SST_COLUMNS, SST_PAST, SST_WINDOW, SstSpec
from edge.core.types import Float32
from edge.dsp.sst.transform import HighPass, Sst
from train.data.augment import cut, disturb, draw_pace
from train.data.dataset import Recording
from train.data.labels import exclusion_reason

_Row = tuple[Float32, Float32, Float32, np.float32, str]
MAX_BEATS = 16
"""In one window: 4 s at 200 bpm contain 14."""


@dataclass(frozen=True)
class Batch:
    """Holds B windows: spectrograms x [B, P, 71, 120] and pieces [B, 200], NaN where there is none.

    anchors [B, 16], the window's R peaks in samples from its start, padded with NaN; cycle [B], the middle beat's
    length in samples. `source` [B] names the trial and window, for messages.
    """

    x: Float32
    piece: Float32
    anchors: Float32
    cycle: Float32
    source: list[str]


class Batches:
    """Makes batches from recordings, with `points` randomly chosen points per window.

    Without augmentation, windows are read from the recordings' cached spectrograms, if they have any.
    Raises InputError if there is no usable window.
    """

    def __init__(
        self, recordings: Sequence[Recording], size: int, points: int, augment: bool, seed: int, spec: SstSpec
    ) -> None:
        self._recordings = recordings
        self._rcg = [HighPass().push(r.trial.rcg.astype(np.float64)).astype(np.float32) for r in recordings]
        self._windows = [(k, row) for k, r in enumerate(recordings) for row in range(len(r.labels.window))]
        if not self._windows:
            raise InputError("the data set has no usable window for this part of the split; see what was excluded")
        self._size, self._points, self._augment, self._seed, self._spec = size, points, augment, seed, spec
        self._threads = ThreadPoolExecutor(os.cpu_count())
        self._thread_local = threading.local()

    def __len__(self) -> int:
        """Return the number of usable windows."""
        return len(self._windows)

    def draw(self, epoch: int, batches: range) -> Iterator[Batch]:
        """Yield batches of random windows, with replacement; the next batch is prepared in the background."""
        order = [np.random.default_rng((self._seed, epoch, b)).integers(len(self), size=self._size) for b in batches]
        return self._prepare([((epoch, b), windows) for b, windows in zip(batches, order, strict=True)])

    def sample_evenly(self, count: int) -> Iterator[Batch]:
        """Yield `count` windows (or all, if fewer) at equal distances, the same in every call."""
        chosen = np.unique(np.linspace(0, len(self) - 1, count).round().astype(np.int64))
        return self._prepare([((0, b), chosen[b : b + self._size]) for b in range(0, len(chosen), self._size)])

    def _prepare(self, wanted: list[tuple[tuple[int, int], npt.NDArray[np.int64]]]) -> Iterator[Batch]:
        def begin(number: int) -> list[Future[_Row]]:
            key, windows = wanted[number]
            return [self._threads.submit(self._window, int(w), (*key, k)) for k, w in enumerate(windows)]

        waiting = begin(0)
        for following in range(1, len(wanted) + 1):
            now, waiting = waiting, begin(following) if following < len(wanted) else []
            rows = [future.result() for future in now]
            x, piece, anchors, cycle = (np.stack([row[k] for row in rows]) for k in range(4))
            yield Batch(x, piece, anchors, cycle, [row[4] for row in rows])

    def _window(self, index: int, key: tuple[int, int, int]) -> _Row:
        rng = np.random.default_rng((self._seed, *key))
        number, row = self._windows[index]
        recording, rcg = self._recordings[number], self._rcg[number]
        labels, cached = recording.labels, None if self._augment else recording.windows
        middle = labels.start[row] + SST_WINDOW / 2
        pace = draw_pace(rng) if self._augment else 1.0
        start = middle - pace * SST_WINDOW / 2
        end = start + pace * SST_WINDOW
        has_class = 0 <= round(labels.length[row] / pace) - CYCLE_MIN < CYCLE_CLASSES
        outside = start - pace * SST_PAST < 0 or end > rcg.shape[1]
        seen = slice(math.floor(start), math.ceil(start + pace * SST_WINDOW))
        if pace != 1.0 and (outside or not has_class or exclusion_reason(labels.beats, seen)):
            pace, start = 1.0, float(labels.start[row])
        if self._points == len(rcg):
            chosen = np.arange(len(rcg))  # a network with this number of points may depend on their order
        else:
            chosen = rng.choice(len(rcg), self._points, replace=self._points > len(rcg))
        if cached is None:
            segment = cut(rcg[chosen], start - pace * SST_PAST, self._spec.segment, pace)
            x = self._sst(disturb(segment, rng) if self._augment else segment)
        else:
            x = cached[labels.window[row], chosen].astype(np.float32)
        anchors = np.full(MAX_BEATS, np.nan, np.float32)
        at = (labels.beats.r_peaks - start) / pace
        at = at[(at >= -0.5) & (at < SST_WINDOW - 0.5)][:MAX_BEATS]
        anchors[: len(at)] = at
        cycle = np.float32(labels.length[row] / pace)
        return x, labels.piece[row], anchors, cycle, f"{recording.trial.name}, window {labels.window[row]}"

    def _sst(self, segment: Float32) -> Float32:
        if not hasattr(self._thread_local, "sst"):
            self._thread_local.sst = Sst(self._points, self._spec)
        values: Float32 = self._thread_local.sst(segment).values.copy()
        return values.reshape(self._points, SST_BINS, SST_COLUMNS)
