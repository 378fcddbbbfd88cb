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
from train.data.sharing import save_shared
from train.data.workers import worker_pool
from train.training.windows import Row, Wanted, WindowMaker, make_windows

AHEAD = 2
"""Batches in preparation while the network trains on another one."""
TOGETHER = 4
"""Windows that a thread or process makes at a time."""
POINT_COUNTS = (1, 2, 3, 4, 6, 9, 12, 16, 24, 32, 64)
"""Numbers of points of a batch whose number varies; 64 is the most that a front end selects."""


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
        vary_points: Draw the number of points of each batch from POINT_COUNTS instead.
        more: Further recordings, from which a fraction `share` of the windows is drawn.
        share: See `more`.

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
        vary_points: bool = False,
        more: Sequence[Recording] = (),
        share: float = 0.0,
    ) -> None:
        everything = [*recordings, *more]
        self._windows = [(k, row) for k, r in enumerate(everything) for row in range(len(r.labels.window))]
        self._first_count = sum(len(r.labels.window) for r in recordings)
        if not self._first_count or (more and self._first_count == len(self._windows)):
            raise InputError("the data set has no usable window for this part of the split; see what was excluded")
        self._size, self._seed, self._spec, self._share = size, seed, spec, share
        self._point_counts = POINT_COUNTS if vary_points else (points,)
        self._transforms: dict[int, CudaSst] = {}  # by number of channels
        maker, resources = WindowMaker.of(everything, augment, spec, transform=not on_gpu), ExitStack()
        weakref.finalize(self, resources.close)
        self._executor: Executor
        self._make: Callable[[Sequence[Wanted], int], list[Row]]
        if processes:
            folder = Path(resources.enter_context(TemporaryDirectory()))
            save_shared(maker, folder)
            self._executor, self._make = resources.enter_context(worker_pool(processes)), partial(make_windows, folder)
        else:
            self._executor, self._make = resources.enter_context(ThreadPoolExecutor(os.cpu_count())), maker

    def __len__(self) -> int:
        """Return the number of usable windows."""
        return len(self._windows)

    def draw(self, epoch: int, batches: range) -> Iterator[Batch]:
        """Yield batches of random windows, with replacement; the next batches are prepared in the background."""
        return self._prepare([((epoch, b), self._draw(epoch, b)) for b in batches])

    def _draw(self, epoch: int, batch: int) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng((self._seed, epoch, batch))
        windows = rng.integers(self._first_count, size=self._size)
        if self._share:
            more = rng.integers(self._first_count, len(self), size=self._size)
            windows = np.where(rng.random(self._size) < self._share, more, windows)
        return windows

    def sample_evenly(self, count: int) -> Iterator[Batch]:
        """Yield `count` windows (or all, if fewer) at equal distances, the same in every call."""
        chosen = np.unique(np.linspace(0, len(self) - 1, count).round().astype(np.int64))
        return self._prepare([((0, b), chosen[b : b + self._size]) for b in range(0, len(chosen), self._size)])

    def _prepare(self, wanted: list[tuple[tuple[int, int], npt.NDArray[np.int64]]]) -> Iterator[Batch]:
        waiting: deque[list[Future[list[Row]]]] = deque()
        for key, windows in wanted:
            points = int(np.random.default_rng((self._seed, *key)).choice(self._point_counts))
            numbered = [(*self._windows[window], (self._seed, *key, k)) for k, window in enumerate(windows)]
            parts = [numbered[k : k + TOGETHER] for k in range(0, len(numbered), TOGETHER)]
            waiting.append([self._executor.submit(self._make, part, points) for part in parts])
            if len(waiting) > AHEAD:
                yield self._collect(waiting.popleft())
        while waiting:
            yield self._collect(waiting.popleft())

    def _collect(self, futures: list[Future[list[Row]]]) -> Batch:
        try:
            rows = [row for future in futures for row in future.result()]
        except BrokenExecutor as error:
            raise InputError("a process that makes windows was killed; check the free memory, and resume") from error
        x, piece, anchors, cycle = (np.stack([row[k] for row in rows]) for k in range(4))
        return Batch(x if x.ndim == 4 else self._transform(x), piece, anchors, cycle, [row[4] for row in rows])

    def _transform(self, segments: Float32) -> Float32:
        """Return the spectrograms of samples [B, P, spec.segment], computed on the GPU. Raises InputError."""
        points = segments.shape[1]
        channels = len(segments) * points
        if channels not in self._transforms:
            self._transforms[channels] = CudaSst(channels, self._spec)
        values = self._transforms[channels](segments.reshape(channels, -1)).values
        return values.reshape(-1, points, SST_BINS, SST_COLUMNS)
