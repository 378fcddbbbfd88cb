"""Builds an engine from a graph with TensorRT or a compatible module: strongly typed, with progress, interruptible.

Uses only functions that exist in TensorRT 10.3 (JetPack 6.2) to 11.4.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
from rich.progress import Progress

from edge.core.errors import InputError
from edge.core.files import write_atomic


class BuildError(InputError):
    """TensorRT rejects the network; the message is TensorRT's."""


def build(trt: Any, model: onnx.ModelProto, workspace_mb: int, cache: Path | None, target: str | None = None) -> bytes:
    """Build the engine of a graph with a fixed shape, with the module `trt`; show progress and stop on Ctrl-C.

    `cache`: the file for TensorRT's timing cache. `target`: a compute capability, for a module that builds without a
    GPU. Raises BuildError, KeyboardInterrupt, OSError.
    """
    log = _log(trt)
    try:
        builder = trt.Builder(log)
    except (TypeError, RuntimeError) as error:  # TypeError: TensorRT returned no builder
        raise BuildError(f"TensorRT cannot start: {_line(log.errors)}; check the GPU with nvidia-smi") from error
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model.SerializeToString()):
        errors = [parser.get_error(k).desc() for k in range(parser.num_errors)]
        raise BuildError(f"TensorRT cannot parse the network: {_line(errors)}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mb << 20)
    if target:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
    if cache:
        known = config.create_timing_cache(cache.read_bytes() if cache.exists() else b"")
        if not known or not config.set_timing_cache(known, False):  # from another TensorRT or GPU, or damaged
            config.set_timing_cache(config.create_timing_cache(b""), False)
    with _progress(trt) as (monitor, stopped):
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
    if stopped.is_set():
        raise KeyboardInterrupt
    if plan is None:
        raise BuildError(f"TensorRT cannot build the network: {_line(log.errors)}")
    if cache:
        write_atomic(cache, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def _line(errors: Sequence[str]) -> str:
    return " ".join("; ".join(errors).split()) or "no reason given"


def _log(trt: Any) -> Any:
    """Create a logger for TensorRT that collects its errors."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(message)

    return Log()


@contextmanager
def _progress(trt: Any) -> Iterator[tuple[Any, threading.Event]]:
    """Show TensorRT's phases as bars, or as lines in a log; yield the monitor and an event that Ctrl-C sets.

    An event is used because no exception may pass through TensorRT.
    """
    stopped = threading.Event()
    bars = Progress(transient=True)
    tasks: dict[str, Any] = {}
    sizes: dict[str, int] = {}

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            tasks[name], sizes[name] = bars.add_task(name, total=steps), steps

        def step_complete(self, name: str, step: int) -> bool:
            bars.update(tasks[name], completed=step + 1)
            quarters = [4 * done // sizes[name] for done in (step, step + 1)]
            if not bars.console.is_terminal and quarters[0] < quarters[1]:
                print(f"TensorRT: {name}: {step + 1} of {sizes[name]}", file=sys.stderr, flush=True)
            return not stopped.is_set()

        def phase_finish(self, name: str) -> None:
            bars.remove_task(tasks.pop(name))

    before = signal.signal(signal.SIGINT, lambda *_: stopped.set())
    try:
        with bars:
            yield Monitor(), stopped
    finally:
        signal.signal(signal.SIGINT, before)
