"""Prepares batches of windows on demand: RCG is cut, augmented and transformed while the network trains.

Every window depends only on (seed, epoch, batch, position in the batch). A resumed run therefore uses the same windows
as an uninterrupted one, with any number of threads or processes.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from edge.core.errors import InputError
from edge.core.spec import SST_BINS, SST_COLUMNS, SstSpec
from edge.core.types import Float32
from edge.gpu.sst import CudaSst
from train.data.dataset import Recording
from train.data.workers import worker_pool
from train.training.windows import Key, Row, WindowMaker, make_window, save

AHEAD = 2
"""Batches in preparation while the network trains on another one."""


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

    Args:
        recordings: Recordings of the windows.
        size: Windows in a batch.
        points: Points of each window.
        augment: Augment the windows.
        seed: Seed of the windows.
        spec: Definition of the SST.
        processes: Worker processes that make the windows; 0: threads, one for each core.
        on_gpu: Compute the SST of whole batches on the current CUDA device.

    Raises:
        InputError: There is no usable window.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        size: int,
        points: int,
        augment: bool,
        seed: int,
        spec: SstSpec,
        processes: int = 0,
        on_gpu: bool = False,
    ) -> None:
        self._windows = [(k, row) for k, r in enumerate(recordings) for row in range(len(r.labels.window))]
        if not self._windows:
            raise InputError("the data set has no usable window for this part of the split; see what was excluded")
        self._size, self._points, self._seed, self._spec = size, points, seed, spec
        self._transforms: dict[int, CudaSst] = {}  # by number of channels
        maker, resources = WindowMaker.of(recordings, points, augment, spec, transform=not on_gpu), ExitStack()
        weakref.finalize(self, resources.close)
        self._executor: Executor
        self._make: Callable[[int, int, Key], Row]
        if processes:
            folder = Path(resources.enter_context(TemporaryDirectory()))
            save(maker, folder)
            self._executor, self._make = resources.enter_context(worker_pool(processes)), partial(make_window, folder)
        else:
            self._executor, self._make = resources.enter_context(ThreadPoolExecutor(os.cpu_count())), maker

    def __len__(self) -> int:
        """Return the number of usable windows."""
        return len(self._windows)

    def draw(self, epoch: int, batches: range) -> Iterator[Batch]:
        """Yield batches of random windows, with replacement; the next batches are prepared in the background."""
        order = [np.random.default_rng((self._seed, epoch, b)).integers(len(self), size=self._size) for b in batches]
        return self._prepare([((epoch, b), windows) for b, windows in zip(batches, order, strict=True)])

    def sample_evenly(self, count: int) -> Iterator[Batch]:
        """Yield `count` windows (or all, if fewer) at equal distances, the same in every call."""
        chosen = np.unique(np.linspace(0, len(self) - 1, count).round().astype(np.int64))
        return self._prepare([((0, b), chosen[b : b + self._size]) for b in range(0, len(chosen), self._size)])

    def _prepare(self, wanted: list[tuple[tuple[int, int], npt.NDArray[np.int64]]]) -> Iterator[Batch]:
        waiting: deque[list[Future[Row]]] = deque()
        for key, windows in wanted:
            waiting.append([self._submit(int(w), (*key, k)) for k, w in enumerate(windows)])
            if len(waiting) > AHEAD:
                yield self._collect(waiting.popleft())
        while waiting:
            yield self._collect(waiting.popleft())

    def _submit(self, window: int, key: tuple[int, int, int]) -> Future[Row]:
        number, row = self._windows[window]
        return self._executor.submit(self._make, number, row, (self._seed, *key))

    def _collect(self, futures: list[Future[Row]]) -> Batch:
        try:
            rows = [future.result() for future in futures]
        except BrokenExecutor as error:
            raise InputError("a process that makes windows was killed; check the free memory, and resume") from error
        x, piece, anchors, cycle = (np.stack([row[k] for row in rows]) for k in range(4))
        return Batch(x if x.ndim == 4 else self._transform(x), piece, anchors, cycle, [row[4] for row in rows])

    def _transform(self, segments: Float32) -> Float32:
        """Return the spectrograms of samples [B, P, spec.segment], computed on the GPU. Raises InputError."""
        channels = len(segments) * self._points
        if channels not in self._transforms:
            self._transforms[channels] = CudaSst(channels, self._spec)
        values = self._transforms[channels](segments.reshape(channels, -1)).values
        return values.reshape(-1, self._points, SST_BINS, SST_COLUMNS)
