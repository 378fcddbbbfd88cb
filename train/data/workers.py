"""Worker processes that ignore Ctrl-C: the parent process decides when they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess


class _Worker(SpawnProcess):
    def start(self) -> None:
        """Start with SIGINT blocked, which the new process inherits: it needs a second until it can ignore SIGINT."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Worker


@contextmanager
def worker_pool(processes: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of `processes`, one per core by default; on exit, running jobs are finished and others cancelled.

    The workers are spawned, not forked, because the parent may have threads of torch or of the transform.
    """
    pool = ProcessPoolExecutor(processes or os.cpu_count(), _Context())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
