"""Tries a bundle's network in a process of its own, with limits of time and memory, before it runs in the service.

A network from elsewhere may take gigabytes of memory or compute without end. Both would end the service that loads it,
at every start anew; here they end the trial.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
from multiprocessing.connection import Connection

from edge.core.errors import InputError
from edge.inference.backends.base import BackendError
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.bundle import MODEL, SHIPPED, Bundle
from edge.inference.self_test import run_self_test

MAX_CPU_S = 120
"""Processor time of the trial; a self-test takes seconds."""
TRIAL_TIMEOUT_S = 600.0
"""For a trial that waits instead of computing, and for a device that is busy with its start."""
MAX_TRIAL_BYTES = 2 << 30
"""Private memory of the trial. ONNX Runtime and the shipped network need a sixth of it."""


def try_network(bundle: Bundle, threads: int) -> None:
    """Load and self-test a bundle on ONNX Runtime in a child process; the shipped bundle needs no trial.

    Raises BackendError, also for the errors of the self-test.
    """
    if bundle.folder == SHIPPED.resolve():
        return
    processes = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks
    receiver, sender = processes.Pipe(duplex=False)
    child = processes.Process(target=_try, args=(bundle, threads, sender), name="network-trial", daemon=True)
    child.start()
    sender.close()
    try:
        problem = receiver.recv() if receiver.poll(TRIAL_TIMEOUT_S) else f"no result after {TRIAL_TIMEOUT_S:g} s"
    except EOFError:
        child.join()
        problem = (
            f"it computed for more than {MAX_CPU_S} s"
            if child.exitcode == -signal.SIGXCPU
            else f"the trial's process ended with status {child.exitcode}"
        )
    finally:
        child.kill()
        child.join()
        receiver.close()
    if problem:
        raise BackendError(f"{bundle.folder / MODEL}: the network failed its trial: {problem}; use a smaller network")


def _try(bundle: Bundle, threads: int, result: Connection) -> None:
    """Send an empty text, or what is wrong with the network."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_TRIAL_BYTES, MAX_TRIAL_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    try:
        run_self_test(OnnxRuntime(bundle, threads), bundle)
    except MemoryError:
        result.send(f"it needs more than {MAX_TRIAL_BYTES >> 20} MiB of memory")
    except InputError as error:
        result.send(str(error))
    else:
        result.send("")
