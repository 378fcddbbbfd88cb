"""Builds a TensorRT engine from a checkpoint or a bundle, on the device that will run it.

python -m export.build_engine edge/models/compact
python -m export.build_engine runs/compact/best.pt --precision fp32
python -m export.build_engine edge/models/compact --dry-run

A checkpoint is first exported to a bundle beside it (this needs torch). The graph defines the precision of each layer,
and TensorRT must keep it (strongly typed). --dry-run parses and builds with TensorRT-RTX, a variant of TensorRT that
needs no GPU to build, and writes nothing: an engine for a Jetson must be built on the Jetson.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, get_args

import onnx
from rich.console import Console

from edge.cli.arguments import count
from edge.core.errors import InputError, install_hint
from edge.core.interrupts import raise_on_interrupt
from edge.core.types import Float32
from edge.dsp.frontend.point_selection import POINTS
from edge.gpu.context import cuda_driver
from edge.inference import bundle, device_key
from edge.inference.backends.engine_file import About, digest_of, this_machine, write_engine
from edge.inference.backends.tensorrt import tensorrt
from edge.inference.bundle import Bundle, Precision
from export.builder import BuildError, build, count_half_layers, list_layers
from export.operators import check_operators, fixed
from export.precision import in_precision

WORKSPACE_MB = 1024
CLOSEST_TO_ORIN = "SM86"
"""TensorRT-RTX does not support Jetson; this target has cores of Orin's generation (Ampere)."""


def network_of(path: Path, data: Path | None, dry: bool) -> tuple[Bundle, Sequence[Float32]]:
    """Load a bundle, or export one beside a checkpoint (in memory if `dry`); also returns windows of `data`, if any.

    Raises InputError, OSError.
    """
    if path.is_dir():
        made = bundle.load_bundle(path)
    else:
        from export import bundle as exporter  # needs torch, which a Jetson may not have
        from train.training import checkpoint

        with Console(stderr=True).status(f"{path} to ONNX"):
            made = (exporter.in_memory if dry else exporter.write_bundle)(
                checkpoint.load_checkpoint(path), path.with_suffix("")
            )
    if data is None:
        return made, ()
    from export.windows import windows_of
    from train.data.dataset import load_dataset, part_of

    return made, windows_of(part_of(load_dataset(data), "train"), made.about.points)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.build_engine", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("network", type=_path, help="checkpoint, or folder of a bundle")
    parser.add_argument(
        "--precision", choices=get_args(Precision), help="without it, fp16 for an fp32 bundle, else the bundle's own"
    )
    parser.add_argument("--data", type=Path, metavar="TOML", help="the training's data set, to calibrate int8")
    parser.add_argument(
        "--out", type=_path, metavar="ENGINE", help="engine to write; without it, BUNDLE-PRECISION.engine"
    )
    parser.add_argument(
        "--workspace-mb",
        type=count,
        default=WORKSPACE_MB,
        metavar="MB",
        help="GPU memory that TensorRT may use during the build (default: %(default)s)",
    )
    parser.add_argument(
        "--device-key",
        type=Path,
        metavar="FILE",
        help=f"key of a device that requires signed bundles: {device_key.NAME} beside its settings, created if missing",
    )
    parser.add_argument("--dry-run", action="store_true", help="build with TensorRT-RTX without a GPU; write nothing")
    args = parser.parse_args(arguments)
    try:
        print(dry_run(args) if args.dry_run else real_run(args))
    except (InputError, OSError) as error:
        print(f"export.build_engine: error: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(
            f"export.build_engine: error: {error}: {install_hint('export')}, or start from a bundle",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("export.build_engine: interrupted; no engine was written", file=sys.stderr)
        return 130
    return 0


def dry_run(args: argparse.Namespace) -> str:
    """Build without TensorRT and without a GPU; return a report. Raises InputError, OSError."""
    trt = _import_rtx()
    made, points = _load_network(args)
    plan = build(trt, _graph(made, points), args.workspace_mb, None, CLOSEST_TO_ORIN)
    return (
        f"{args.network}: {made.about.precision}, {points} points: TensorRT-RTX {trt.__version__} parses it and builds "
        f"{len(plan) / 1e6:.1f} MB for {CLOSEST_TO_ORIN}, without a GPU. This was a dry run: nothing was written or "
        "run, and TensorRT itself was not used"
    )


def real_run(args: argparse.Namespace) -> str:
    """Build the engine for this machine; return a report. Raises InputError, OSError."""
    try:
        trt, cuda = tensorrt(), cuda_driver()
    except InputError as error:
        raise BuildError(f"{error}; without it, --dry-run tests whether the network can be built") from error
    machine = this_machine(trt, cuda)
    made, points = _load_network(args)
    precision = made.about.precision
    out = args.out or made.folder.with_name(f"{made.folder.name}-{precision}.engine")
    _check_writable(out)
    if args.device_key:
        device_key.create_key(args.device_key)
    plan = build(trt, _graph(made, points), args.workspace_mb, out.with_suffix(".timing"))
    sha256 = hashlib.sha256(plan).hexdigest()
    about = About(
        bundle=digest_of(made), name=made.about.name, points=points, precision=precision, machine=machine, sha256=sha256
    )
    layers = list_layers(trt, plan)
    write_engine(out, plan, about, layers, args.device_key)
    counts = count_half_layers(layers) if layers else None
    return (
        f"{out}: {precision}, {points} points, TensorRT {machine.tensorrt} on {machine.gpu}, {len(plan) / 1e6:.1f} MB"
        f"{f', {counts[0]} of {counts[1]} layers in half precision' if counts else ''}\n"
        f'to run it, set under [network]: backend = "tensorrt", bundle = "{made.folder.resolve()}", '
        f'engine = "{out.resolve()}"'
    )


def _load_network(args: argparse.Namespace) -> tuple[Bundle, int]:
    """Return the bundle in the requested precision, and the engine's number of points."""
    made, windows = network_of(args.network, args.data, args.dry_run)
    precision = args.precision or ("fp16" if made.about.precision == "fp32" else made.about.precision)
    made = in_precision(made, precision, windows)
    return made, POINTS if made.about.points == "any" else made.about.points


def _path(text: str) -> Path:
    path = Path(text)
    return path if path.name.strip(".") else path.resolve()  # "." has no name


def _check_writable(out: Path) -> None:
    """Check before the build, which takes minutes, that `out` is writable. Raises BuildError."""
    try:
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise BuildError(f"{out}: cannot be written ({error.strerror}); name another file with --out") from error


def _graph(made: Bundle, points: int) -> onnx.ModelProto:
    model = fixed(onnx.load_from_string(made.model), points)
    check_operators(model)
    return model


def _import_rtx() -> Any:
    try:
        return import_module("tensorrt_rtx")
    except ImportError as error:
        raise BuildError(
            f"TensorRT-RTX is not installed ({error}); a dry run needs it: pip install tensorrt-rtx"
        ) from error


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
