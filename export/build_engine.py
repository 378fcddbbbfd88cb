"""A checkpoint or a bundle to a TensorRT engine, on the device that will run it.

python -m export.build_engine edge/models/compact
python -m export.build_engine runs/compact/best.pt --precision fp32
python -m export.build_engine edge/models/compact --dry-run

A checkpoint becomes a bundle beside it first (that needs torch). The graph says the precision, and TensorRT keeps to it
(strongly typed). --dry-run parses and builds with TensorRT-RTX, TensorRT's sibling that needs no GPU to build, and
writes nothing: an engine for a Jetson is built on the Jetson.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import onnx
from rich.progress import Progress

from edge import bundle
from edge.backends.engine import About, digest_of, this_machine, write, write_whole
from edge.backends.tensorrt import tensorrt
from edge.bundle import Bundle, Precision
from edge.cuda import cuda_driver
from edge.dsp.points import POINTS
from edge.errors import InputError
from edge.frames import Float32
from export.operators import check_operators, fixed
from export.precision import in_precision

WORKSPACE_MB = 1024
CLOSEST_TO_ORIN = "SM86"
"""TensorRT-RTX knows no Jetson; this has Orin's generation of cores (Ampere)."""


class BuildError(InputError):
    """TensorRT does not take the network; the message is its own."""


def network_of(path: Path, data: Path | None, dry: bool) -> tuple[Bundle, Sequence[Float32]]:
    """The bundle of a folder, or one written beside a checkpoint (not if `dry`); windows of `data`, if that is named.

    Raises InputError, OSError.
    """
    if path.is_dir():
        made = bundle.load(path)
    else:
        from export import bundle as exporter  # needs torch, which a Jetson may not have
        from train import checkpoint

        made = (exporter.in_memory if dry else exporter.write)(checkpoint.load(path), path.with_suffix(""))
    if data is None:
        return made, ()
    from export.windows import windows_of
    from train.data.dataset import load
    from train.evaluate import part_of

    return made, windows_of(part_of(load(data), "train"), made.about.points)


def build(trt: Any, model: onnx.ModelProto, workspace_mb: int, cache: Path | None, target: str | None = None) -> bytes:
    """The engine of a graph of one shape, by the module `trt`; shows its progress, and Ctrl-C ends it.

    `cache`: the file that keeps what was timed. `target`: a compute capability, for a module that builds without a GPU.
    Raises BuildError, KeyboardInterrupt, OSError.
    """
    log = _log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model.SerializeToString()):
        errors = [parser.get_error(k).desc() for k in range(parser.num_errors)]
        raise BuildError(f"TensorRT cannot parse the network: {'; '.join(errors).strip() or 'it does not say why'}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mb << 20)
    if target:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
    if cache:
        known = config.create_timing_cache(cache.read_bytes() if cache.exists() else b"")
        if not known or not config.set_timing_cache(known, False):  # of another TensorRT or GPU, or damaged
            config.set_timing_cache(config.create_timing_cache(b""), False)
    with _progress(trt) as (monitor, stopped):
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
    if stopped.is_set():
        raise KeyboardInterrupt
    if plan is None:
        raise BuildError(f"TensorRT cannot build the network: {'; '.join(log.errors) or 'it does not say why'}")
    if cache:
        write_whole(cache, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.build_engine", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("network", type=Path, help="a checkpoint, or a bundle's folder")
    parser.add_argument(
        "--precision", choices=get_args(Precision), help="default: fp16, or what the bundle left fp32 for"
    )
    parser.add_argument("--data", type=Path, metavar="TOML", help="what it was trained on: int8 finds its scales there")
    parser.add_argument("--out", type=Path, metavar="ENGINE", help="default: beside the bundle, with the precision")
    parser.add_argument(
        "--workspace-mb", type=int, default=WORKSPACE_MB, metavar="MB", help="GPU memory it may try with"
    )
    parser.add_argument("--dry-run", action="store_true", help="build with TensorRT-RTX, without a GPU; write nothing")
    args = parser.parse_args(arguments)
    try:
        print(dry_run(args) if args.dry_run else real_run(args))
    except (InputError, OSError) as error:
        print(f"export.build_engine: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("export.build_engine: interrupted; no engine was written", file=sys.stderr)
        return 130
    return 0


def dry_run(args: argparse.Namespace) -> str:
    """Builds where there is no TensorRT and no GPU, and says what that shows. Raises InputError, OSError."""
    trt = _rtx()
    made, points = _wanted(args)
    plan = build(trt, _graph(made, points), args.workspace_mb, None, CLOSEST_TO_ORIN)
    return (
        f"{made.folder}: {made.about.precision}, {points} points: TensorRT-RTX {trt.__version__} parses it and builds "
        f"{len(plan) / 1e6:.1f} MB for {CLOSEST_TO_ORIN}, without a GPU. A dry run: nothing was written, nothing has "
        "run, and TensorRT itself has not seen it"
    )


def real_run(args: argparse.Namespace) -> str:
    """Builds the engine for this machine. Raises InputError, OSError."""
    trt, cuda = tensorrt(), cuda_driver()
    machine = this_machine(trt, cuda)
    made, points = _wanted(args)
    precision = made.about.precision
    out = args.out or made.folder.with_name(f"{made.folder.name}-{precision}.engine")
    plan = build(trt, _graph(made, points), args.workspace_mb, out.with_suffix(".timing"))
    sha256 = hashlib.sha256(plan).hexdigest()
    about = About(
        bundle=digest_of(made), name=made.about.name, points=points, precision=precision, machine=machine, sha256=sha256
    )
    write(out, plan, about)
    return (
        f"{out}: {precision}, {points} points, TensorRT {machine.tensorrt} on {machine.gpu}, {len(plan) / 1e6:.1f} MB"
    )


def _wanted(args: argparse.Namespace) -> tuple[Bundle, int]:
    """The bundle in the precision that is asked for, and for how many points an engine is built."""
    made, windows = network_of(args.network, args.data, args.dry_run)
    precision = args.precision or ("fp16" if made.about.precision == "fp32" else made.about.precision)
    made = in_precision(made, precision, windows)
    return made, POINTS if made.about.points == "any" else made.about.points


def _graph(made: Bundle, points: int) -> onnx.ModelProto:
    model = fixed(onnx.load_from_string(made.model), points)
    check_operators(model)
    return model


def _rtx() -> Any:
    try:
        return import_module("tensorrt_rtx")
    except ImportError as error:
        raise BuildError(f"no TensorRT-RTX for a dry run ({error}): pip install tensorrt-rtx") from error


def _log(trt: Any) -> Any:
    """TensorRT's log: its errors are kept, for the message."""

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
    """TensorRT's phases as bars, in a log as lines, and whether Ctrl-C was pressed: no exception may cross TensorRT."""
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


if __name__ == "__main__":
    sys.exit(main())
