"""Workers on the machines of a Ray cluster (https://docs.ray.io); needs the optional extra `ray`.

The tasks and the data that they share are sent through Ray once, and results come back through Ray. Only files that the
tasks themselves read or write must be on a file system that all machines share.
"""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edge.core.errors import InputError, install_hint
from train.data.sharing import pack
from train.data.workers import MAX_RESTARTS, run_task

Key = TypeVar("Key")
Result = TypeVar("Result")
LOCAL = "local"


class RayWorkers:
    """Runs tasks on the cluster that this process is connected to; `connect_ray` creates it.

    A task takes a core, or one GPU if it uses one and the cluster has any. If its worker process or machine is lost,
    Ray starts it again elsewhere, up to MAX_RESTARTS times.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._gpus = [int(node["Resources"].get("GPU", 0)) for node in ray.nodes() if node["Alive"]]
        self._cores = [int(node["Resources"].get("CPU", 1)) for node in ray.nodes() if node["Alive"]]

    def run(self, tasks: Mapping[Key, Callable[[], Result]], on_gpu: bool = False) -> Iterator[tuple[Key, Result]]:
        """Run the tasks as `train.data.workers.Workers` describes."""
        content, buffers = pack(list(tasks.values()), by_name=False)
        shared = self._ray.put((content, [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]))
        use_gpu = on_gpu and any(self._gpus)
        neighbours = max(self._gpus if use_gpu else self._cores)
        remote = self._ray.remote(num_cpus=1, num_gpus=int(use_gpu), max_retries=MAX_RESTARTS)(_run_packed)
        keys = {remote.remote(shared, number, neighbours): key for number, key in enumerate(tasks)}
        waiting = list(keys)
        while waiting:
            (done, *_), waiting = self._ray.wait(waiting, num_returns=1)
            yield keys[done], self._result(done)

    def _result(self, done: Any) -> Any:
        try:
            return self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self._ray.exceptions.RayError as error:
            raise InputError(f"Ray lost a task {1 + MAX_RESTARTS} times: {str(error).splitlines()[0]}") from error


@contextmanager
def connect_ray(address: str, processes: int | None = None) -> Iterator[RayWorkers]:
    """Connect to the cluster at an address or "auto", or start "local" workers: `processes`, or one per core.

    On exit its unfinished tasks are cancelled. Raises InputError.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise InputError("--ray needs a further package: " + install_hint("ray")) from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {"num_cpus": processes, "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address, log_to_driver=False, configure_logging=False, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"--ray {address}: {str(error).splitlines()[0]}") from error
    try:
        yield RayWorkers(ray)
    finally:
        ray.shutdown()


def _run_packed(shared: tuple[bytes, list[npt.NDArray[np.uint8]]], number: int, neighbours: int) -> object:
    content, buffers = shared
    return run_task(pickle.loads(content, buffers=buffers), number, neighbours)
