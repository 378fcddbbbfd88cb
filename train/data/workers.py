"""Worker processes of this machine. They ignore Ctrl-C, because their parent process decides when they end."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from edge.core.errors import InputError
from train.data.sharing import load_shared, save_shared

Key = TypeVar("Key")
Result = TypeVar("Result")
MAX_RESTARTS = 3
"""Times that the work of killed worker processes is started again."""
_THREADS = "OMP_NUM_THREADS"


class Workers(Protocol):
    """Runs tasks somewhere, and returns the results in the order in which they finish."""

    def run(self, tasks: Mapping[Key, Callable[[], Result]], on_gpu: bool = False) -> Iterator[tuple[Key, Result]]:
        """Run the tasks; yield each one's key and result. An exception of a task ends the others.

        Tasks are functions that a module defines, with arguments (`partial`) that can be pickled; an object that
        several of them have is sent once. What they print is discarded, unless they run in this process.
        `on_gpu`: a task uses a GPU if there is one. Raises InputError if workers are killed repeatedly.
        """


@dataclass(frozen=True)
class LocalWorkers:
    """Runs tasks on `processes` of this machine; a single one is this process itself.

    None: one process if the tasks use a GPU, else one per core. Each process uses one thread, unless OMP_NUM_THREADS is
    set. If a worker is killed, unfinished tasks are started again, up to MAX_RESTARTS times.
    """

    processes: int | None = None

    def run(self, tasks: Mapping[Key, Callable[[], Result]], on_gpu: bool = False) -> Iterator[tuple[Key, Result]]:
        """Run the tasks as `Workers` describes."""
        processes = min(len(tasks), self.processes or _default_processes(on_gpu))
        if processes <= 1:
            for key, task in tasks.items():
                yield key, task()
            return
        with TemporaryDirectory() as name:
            save_shared(list(tasks.values()), Path(name))
            missing = dict(enumerate(tasks))
            for _ in range(1 + MAX_RESTARTS):
                try:
                    for number, result in _run_in_pool(Path(name), list(missing), processes):
                        yield missing.pop(number), result
                    return
                except BrokenExecutor:
                    logging.getLogger(__name__).warning(
                        "a worker process was killed; its work and that of the others is started again"
                    )
        raise InputError(
            f"worker processes were killed {1 + MAX_RESTARTS} times, perhaps because there was not enough memory; "
            "run the same command again with fewer --processes"
        )


THIS_MACHINE = LocalWorkers()


@contextmanager
def worker_pool(processes: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of `processes`, one per core by default; on exit, running jobs are finished and others cancelled.

    The workers are spawned, not forked, because the parent may have threads of torch or of the transform.
    """
    pool = ProcessPoolExecutor(processes or os.cpu_count(), _Context(), _end_with_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def run_task(tasks: list[Callable[[], Result]], number: int, neighbours: int) -> Result:
    """Run one of the tasks in a worker process, silently; `neighbours` tasks run on this machine at a time."""
    os.environ["LOCAL_WORLD_SIZE"] = str(neighbours)  # a training divides the cores by it, as under torchrun
    with redirect_stdout(io.StringIO()):
        return tasks[number]()


def _run_shared(folder: Path, number: int, neighbours: int) -> object:
    return run_task(load_shared(folder), number, neighbours)


def _run_in_pool(folder: Path, numbers: Collection[int], processes: int) -> Iterator[tuple[int, Any]]:
    with worker_pool(processes) as pool:
        futures = {pool.submit(_run_shared, folder, number, processes): number for number in numbers}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:  # Ctrl-C too: a task can take hours
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


def _default_processes(on_gpu: bool) -> int:
    if on_gpu:
        import torch

        if torch.cuda.is_available():
            return 1
    return os.cpu_count() or 1


def _end_with_parent() -> None:
    """End this worker when its parent ends, even if it is killed: otherwise the worker would wait for tasks forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait_for_end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()


class _Worker(SpawnProcess):
    def start(self) -> None:
        """Start with SIGINT blocked and one thread, which the new process inherits.

        It needs a second until it could ignore SIGINT itself, and has then created its threads.
        """
        signals, has_threads = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}), _THREADS in os.environ
        os.environ.setdefault(_THREADS, "1")
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
            if not has_threads:
                del os.environ[_THREADS]


class _Context(SpawnContext):
    Process = _Worker
