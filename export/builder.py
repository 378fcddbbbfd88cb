"""Builds an engine from a graph with TensorRT or a compatible module: strongly typed, with progress, interruptible.

Uses only functions that exist in TensorRT 10.3 (JetPack 6.2) to 11.4.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
from rich.progress import Progress

from edge.core.errors import InputError
from edge.core.files import write_atomic
from edge.inference.backends.tensorrt import tensorrt_log


class BuildError(InputError):
    """TensorRT rejects the network; the message is TensorRT's."""


def build(trt: Any, model: onnx.ModelProto, workspace_mb: int, cache: Path | None, target: str | None = None) -> bytes:
    """Build the engine of a graph with a fixed shape, with the module `trt`; show progress and stop on Ctrl-C.

    `cache`: the file for TensorRT's timing cache. `target`: a compute capability, for a module that builds without a
    GPU. Raises BuildError, KeyboardInterrupt, OSError.
    """
    log = tensorrt_log(trt)
    log.take_errors()  # those of an earlier call
    try:
        builder = trt.Builder(log)
    except (TypeError, RuntimeError) as error:  # TypeError: TensorRT returned no builder
        raise BuildError(f"TensorRT cannot start: {log.take_errors()}; check the GPU with nvidia-smi") from error
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model.SerializeToString()):
        errors = "; ".join(parser.get_error(k).desc() for k in range(parser.num_errors))
        raise BuildError(f"TensorRT cannot parse the network: {' '.join(errors.split()) or log.take_errors()}")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # it rounds float32 products to the 10 bits of half precision
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that `list_layers` has their precisions
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
        raise BuildError(f"TensorRT cannot build the network: {log.take_errors()}")
    if cache:
        write_atomic(cache, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def list_layers(trt: Any, plan: bytes) -> str | None:
    """Return TensorRT's description of the engine's layers as JSON; None if it cannot load the engine here."""
    engine = trt.Runtime(tensorrt_log(trt)).deserialize_cuda_engine(plan)
    if engine is None:
        return None
    return str(engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON))


def count_half_layers(layers: str) -> tuple[int, int] | None:
    """Count the layers with an output in half precision, and all; None if the JSON has another form.

    TensorRT writes the type of a tensor as `Half` or within a description such as `... FP16 format`.
    """
    try:
        outputs = [[each["Format/Datatype"] for each in layer["Outputs"]] for layer in json.loads(layers)["Layers"]]
        return sum(any("Half" in one or "FP16" in one for one in each) for each in outputs), len(outputs)
    except (ValueError, KeyError, TypeError):
        return None


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
