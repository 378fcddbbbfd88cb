"""Jobs for worker processes, which import this module: they note each attempt, and some are killed or interrupt."""

import os
import signal
from pathlib import Path
from uuid import uuid4

import numpy as np

from edge.core.errors import InputError


def attempts(folder: Path, name: str) -> int:
    return len(list(folder.glob(f"{name}-attempt-*")))


def total(folder: Path, name: str, values: np.ndarray) -> dict:
    """The sum of large shared values, which no process may change."""
    (folder / f"{name}-attempt-{uuid4()}").touch()
    print("printed by a job")
    return {"name": name, "total": float(values.sum()), "writeable": bool(values.flags.writeable)}


def killed_once(folder: Path, name: str, values: np.ndarray) -> dict:
    found = total(folder, name, values)
    if attempts(folder, name) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return found


def always_killed() -> dict:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def failing() -> dict:
    raise InputError("trial 7 has no ECG")


def interrupting_once(folder: Path, name: str, values: np.ndarray, fifo: Path) -> dict:
    """As Ctrl-C while this job works: once the parent has written to `fifo`, it receives SIGINT."""
    found = total(folder, name, values)
    if attempts(folder, name) == 1:
        fifo.read_text()
        os.kill(os.getppid(), signal.SIGINT)
        signal.pause()
    return found


def threads_and_pid() -> tuple[str, int]:
    return os.environ["OMP_NUM_THREADS"], os.getpid()


def wait_for_a_signal(fifo: Path) -> None:
    """The parent reads this process's number from `fifo`, and then ends."""
    fifo.write_text(str(os.getpid()))
    signal.pause()
