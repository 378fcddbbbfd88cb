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
from edge.inference import bundle
from edge.inference.backends.engine_file import About, digest_of, this_machine, write
from edge.inference.backends.tensorrt import tensorrt
from edge.inference.bundle import Bundle, Precision
from export.builder import BuildError, build
from export.operators import check_operators, fixed
from export.precision import in_precision

WORKSPACE_MB = 1024
CLOSEST_TO_ORIN = "SM86"
"""TensorRT-RTX knows no Jetson; this has Orin's generation of cores (Ampere)."""


def network_of(path: Path, data: Path | None, dry: bool) -> tuple[Bundle, Sequence[Float32]]:
    """The bundle of a folder, or one written beside a checkpoint (not if `dry`); windows of `data`, if that is named.

    Raises InputError, OSError.
    """
    if path.is_dir():
        made = bundle.load(path)
    else:
        from export import bundle as exporter  # needs torch, which a Jetson may not have
        from train.training import checkpoint

        with Console(stderr=True).status(f"{path} to ONNX"):
            made = (exporter.in_memory if dry else exporter.write)(checkpoint.load(path), path.with_suffix(""))
    if data is None:
        return made, ()
    from export.windows import windows_of
    from train.data.dataset import load, part_of

    return made, windows_of(part_of(load(data), "train"), made.about.points)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.build_engine", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("network", type=_place, help="a checkpoint, or a bundle's folder")
    parser.add_argument(
        "--precision", choices=get_args(Precision), help="default: fp16, or what the bundle left fp32 for"
    )
    parser.add_argument("--data", type=Path, metavar="TOML", help="what it was trained on: int8 finds its scales there")
    parser.add_argument("--out", type=_place, metavar="ENGINE", help="default: beside the bundle, with the precision")
    parser.add_argument(
        "--workspace-mb", type=count, default=WORKSPACE_MB, metavar="MB", help="GPU memory it may try with"
    )
    parser.add_argument("--dry-run", action="store_true", help="build with TensorRT-RTX, without a GPU; write nothing")
    args = parser.parse_args(arguments)
    try:
        print(dry_run(args) if args.dry_run else real_run(args))
    except (InputError, OSError) as error:
        print(f"export.build_engine: error: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(
            f"export.build_engine: error: {error}: {install_hint('export')}, or begin from a bundle",
            file=sys.stderr,
        )
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
        f"{args.network}: {made.about.precision}, {points} points: TensorRT-RTX {trt.__version__} parses it and builds "
        f"{len(plan) / 1e6:.1f} MB for {CLOSEST_TO_ORIN}, without a GPU. A dry run: nothing was written, nothing has "
        "run, and TensorRT itself has not seen it"
    )


def real_run(args: argparse.Namespace) -> str:
    """Builds the engine for this machine. Raises InputError, OSError."""
    try:
        trt, cuda = tensorrt(), cuda_driver()
    except InputError as error:
        raise BuildError(f"{error}; elsewhere, --dry-run tells whether it would build") from error
    machine = this_machine(trt, cuda)
    made, points = _wanted(args)
    precision = made.about.precision
    out = args.out or made.folder.with_name(f"{made.folder.name}-{precision}.engine")
    _check_place(out)
    plan = build(trt, _graph(made, points), args.workspace_mb, out.with_suffix(".timing"))
    sha256 = hashlib.sha256(plan).hexdigest()
    about = About(
        bundle=digest_of(made), name=made.about.name, points=points, precision=precision, machine=machine, sha256=sha256
    )
    write(out, plan, about)
    return (
        f"{out}: {precision}, {points} points, TensorRT {machine.tensorrt} on {machine.gpu}, {len(plan) / 1e6:.1f} MB\n"
        f'to run it, under [network]: backend = "tensorrt", bundle = "{made.folder.resolve()}", '
        f'engine = "{out.resolve()}"'
    )


def _wanted(args: argparse.Namespace) -> tuple[Bundle, int]:
    """The bundle in the precision that is asked for, and for how many points an engine is built."""
    made, windows = network_of(args.network, args.data, args.dry_run)
    precision = args.precision or ("fp16" if made.about.precision == "fp32" else made.about.precision)
    made = in_precision(made, precision, windows)
    return made, POINTS if made.about.points == "any" else made.about.points


def _place(text: str) -> Path:
    path = Path(text)
    return path if path.name.strip(".") else path.resolve()  # "." has no name


def _check_place(out: Path) -> None:
    """A build takes minutes: a place that cannot be written to is told before."""
    try:
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise BuildError(f"{out}: nothing can be written there ({error.strerror}); name a place with --out") from error


def _graph(made: Bundle, points: int) -> onnx.ModelProto:
    model = fixed(onnx.load_from_string(made.model), points)
    check_operators(model)
    return model


def _rtx() -> Any:
    try:
        return import_module("tensorrt_rtx")
    except ImportError as error:
        raise BuildError(f"no TensorRT-RTX for a dry run ({error}): pip install tensorrt-rtx") from error


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
