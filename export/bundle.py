"""Exports a checkpoint to a bundle, the folder from which a device runs the network.

python -m export.bundle runs/compact/best.pt --out edge/models/compact --metrics figures/figures.json
python -m export.bundle runs/compact/best.pt --out compact-int8 --precision int8 --data simulated/dataset.toml
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import msgspec
import onnx

from edge.core.errors import InputError
from edge.core.files import write_atomic
from edge.core.interrupts import raise_on_interrupt
from edge.core.spec import SST_DEFAULT, fingerprint
from edge.core.types import Float32
from edge.dsp.frontend.point_selection import POINTS as DEVICE_POINTS
from edge.inference import bundle
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.bundle import (
    DESCRIPTION,
    GOLDEN,
    MODEL,
    Bundle,
    Description,
    Metrics,
    Points,
    Precision,
    Provenance,
    encode_description,
)
from edge.inference.self_test import TOLERANCE, check_outputs, encode_golden
from export.card import model_card
from export.difference import differences, random_spectrograms
from export.operators import ExportError
from export.precision import in_precision
from export.to_onnx import to_onnx
from export.windows import windows_of
from train.data.dataset import load_dataset, part_of
from train.model import POINTS
from train.training import checkpoint
from train.training.checkpoint import Checkpoint
from train.training.predictor import TorchPredictor


def write_bundle(
    source: Checkpoint,
    folder: Path,
    metrics: Metrics | None = None,
    precision: Precision = "fp32",
    windows: Sequence[Float32] = (),
) -> Bundle:
    """Write a bundle, load it again, check that its outputs equal those in torch, and return it.

    The golden outputs are those of the float32 network, whatever `precision` is. `windows` [1, P, 71, 120] calibrate
    and check int8, and are needed only for int8.
    An existing bundle in `folder` is replaced only after the new one is complete and checked.
    Raises ExportError, NetworkError, OSError.
    """
    folder = folder.resolve()  # keeps a link a link, and gives "." a name
    if folder.exists() and not (folder / DESCRIPTION).exists():
        raise ExportError(f"{folder} exists and is not a bundle, so it is not replaced; choose another folder")
    float32 = in_memory(source, folder, metrics)
    points = DEVICE_POINTS if float32.about.points == "any" else float32.about.points
    made = add_golden(in_precision(float32, precision, windows), encode_golden(OnnxRuntime(float32), points))
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        write_atomic(part / MODEL, made.model)
        write_atomic(part / GOLDEN, made.golden or b"")
        write_atomic(part / DESCRIPTION, made.description)
        write_atomic(part / "README.md", model_card(made.about).encode())
        tested = windows if precision == "int8" else random_spectrograms(made.about.points)
        loaded = bundle.load_bundle(part)
        network = OnnxRuntime(loaded)
        found = differences(network, TorchPredictor(source.network()), tested)
        for head, difference in found.items():
            if not difference <= TOLERANCE[precision]:
                raise ExportError(
                    f"{head}: ONNX Runtime and torch differ by {difference:.2g}, more than {TOLERANCE[precision]:g}"
                )
        check_outputs(network, loaded)
        _replace_folder(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return bundle.load_bundle(folder)


def in_memory(source: Checkpoint, folder: Path, metrics: Metrics | None = None) -> Bundle:
    """Create the float32 bundle for `folder` without writing it. Raises ExportError."""
    provenance, points = _provenance(source), _points(source)
    model = to_onnx(source.network(), points).SerializeToString()
    about = Description(
        name=source.config.model,
        spec=fingerprint(SST_DEFAULT),
        sst=SST_DEFAULT,
        points=points,
        precision="fp32",
        inputs=bundle.inputs(points),
        outputs=bundle.outputs(),
        provenance=provenance,
        metrics=metrics,
        sha256={MODEL: hashlib.sha256(model).hexdigest()},
    )
    return Bundle(folder, about, model, encode_description(about))


def add_golden(made: Bundle, golden: bytes) -> Bundle:
    """Return the bundle with golden outputs, whose digest its description then has."""
    sha256 = {MODEL: made.about.sha256[MODEL], GOLDEN: hashlib.sha256(golden).hexdigest()}
    about = msgspec.structs.replace(made.about, sha256=sha256)
    return replace(made, about=about, description=encode_description(about), golden=golden)


def read_metrics(path: Path) -> Metrics:
    """Read the figures of all trials from `figures.json` of `train.evaluate`. Raises InputError, FileNotFoundError."""
    try:
        content = json.loads(path.read_text())
        return Metrics(content["data"], msgspec.convert(content["rows"]["all"], dict[str, float | None]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a figures.json of train.evaluate --out ({error!r})") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.bundle", description="Writes a bundle from a checkpoint.")
    parser.add_argument("checkpoint", type=Path, help="trained checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the bundle")
    parser.add_argument("--metrics", type=Path, metavar="JSON", help="figures.json of train.evaluate --out")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32", help="default: %(default)s")
    parser.add_argument("--data", type=Path, metavar="TOML", help="the training's data set, to calibrate int8")
    args = parser.parse_args(arguments)
    try:
        metrics = read_metrics(args.metrics) if args.metrics else None
        source = checkpoint.load_checkpoint(args.checkpoint)
        windows = windows_of(part_of(load_dataset(args.data), "train"), _points(source)) if args.data else ()
        made = write_bundle(source, args.out, metrics, args.precision, windows)
    except (InputError, OSError) as error:
        print(f"export.bundle: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("export.bundle: interrupted; nothing was written", file=sys.stderr)
        return 130
    print(f"{made.folder}: {made.about.name}, {made.about.precision}, {len(made.model) / 1e6:.1f} MB")
    return 0


def _points(source: Checkpoint) -> Points:
    return POINTS[source.config.model] or "any"


def _provenance(source: Checkpoint) -> Provenance:
    known = source.provenance
    try:
        return Provenance(
            data=known["data"],
            train=tuple(known["train"]),
            validation=tuple(known["validation"]),
            test=tuple(known["test"]),
            seed=source.config.seed,
            epoch=len(source.state["history"]),
            command=known.get("command", "python -m train, with the settings below"),
            versions={"radarecg": known["radarecg"], "torch": known["torch"], "onnx": onnx.__version__},
            settings=msgspec.to_builtins(source.config),
            before={data: tuple(subjects) for data, subjects in known.get("before", {}).items()},
        )
    except KeyError as error:
        raise ExportError(f"the checkpoint lacks {error.args[0]}; train it again with this version") from error


def _replace_folder(part: Path, folder: Path) -> None:
    """Move the finished folder to its place; after a crash between the renames, the old one is kept beside it."""
    before = folder.with_name(folder.name + ".before")
    shutil.rmtree(before, ignore_errors=True)
    if folder.exists():
        folder.rename(before)
    part.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
