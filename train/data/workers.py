"""Processes that work beside this one, and that Ctrl-C leaves alone: their parent decides when they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess


class _Worker(SpawnProcess):
    def start(self) -> None:
        """Starts with SIGINT blocked, which the new process inherits: it needs a second to import what ignores it."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Worker


@contextmanager
def worker_pool(processes: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """A pool of `processes`, one a core by default. Leaving it waits for the jobs under way and drops the others.

    The workers are not forked: the parent may have threads of torch or of the transform.
    """
    pool = ProcessPoolExecutor(processes or os.cpu_count(), _Context())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
