"""Compares an exported network in every precision with the network in float32, on a data set's test part.

python -m export.verify runs/compact/best.pt --data recordings/simulated/dataset.toml --replay recordings/trial

The table shows each head's largest difference, on windows of the data set and of a replayed recording, and the figures
of the three tasks, which are what matters. The first row is torch (for a bundle: ONNX Runtime in float32); the other
rows run in ONNX Runtime on the CPU, fp16 also with the roundings of a GPU (`export.gpu_rounding`), and an engine, if
one is named, on the machine it was built on.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.core.types import Float32
from edge.inference import bundle
from edge.inference.backends.base import Predictor
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.bundle import Bundle, Precision
from edge.inference.self_test import TOLERANCE
from export.bundle import in_memory
from export.difference import HEADS, differences
from export.gpu_rounding import in_gpu_rounding
from export.precision import in_precision
from export.windows import replayed, windows_of
from train.data.dataset import Recording, load_dataset, part_of
from train.evaluation.report import evaluate
from train.evaluation.summary import Row, summarise
from train.training import checkpoint
from train.training.predictor import TorchPredictor

FIGURES = {"r_timing_ms_median": -1, "ppi_error_ms": -1, "pcc": 1}
"""One figure for each of the three tasks: 1 if higher is better, -1 if lower is better."""
MAX_LOSS_PERCENT = 1.0
"""No precision should make any of FIGURES worse by more than this."""
COMPARED_WINDOWS = 32
"""Number of windows on which the heads are compared."""
GPU_ROUNDING = "fp16 as a GPU rounds"
PRECISIONS: dict[str, Precision] = {
    "ONNX Runtime fp32": "fp32",
    "ONNX Runtime fp16": "fp16",
    GPU_ROUNDING: "fp16",
    "ONNX Runtime int8": "int8",
}
"""Rows of the table that run in ONNX Runtime, and their precision."""


def network(path: Path) -> tuple[Bundle, dict[str, Predictor]]:
    """Load a checkpoint or a float32 bundle as a float32 bundle; for a checkpoint, also its predictor in torch.

    Raises InputError, FileNotFoundError.
    """
    if path.is_dir():
        return bundle.load_bundle(path), {}
    source = checkpoint.load_checkpoint(path)
    return in_memory(source, path), {"torch": TorchPredictor(source.network())}


def in_onnx_runtime(made: Bundle, windows: Sequence[Float32]) -> dict[str, Predictor]:
    """Convert a float32 bundle to every row of PRECISIONS, with int8 calibrated on `windows`. Raises InputError."""
    bundles = {row: in_precision(made, precision, windows) for row, precision in PRECISIONS.items()}
    bundles[GPU_ROUNDING] = in_gpu_rounding(bundles[GPU_ROUNDING])
    return {row: OnnxRuntime(each) for row, each in bundles.items()}


def loss_percent(row: Row, before: Row) -> float:
    """Return the largest relative loss of any of FIGURES against `before`, in %; 100 for a figure that became None."""
    losses = [0.0]
    for name, sign in FIGURES.items():
        now, was = row[name], before[name]
        if was:
            losses.append(100.0 if now is None else 100 * sign * (was - now) / abs(was))
    return round(max(losses), 2)


def table(
    predictors: dict[str, Predictor], recordings: Sequence[Recording], compared: Mapping[str, Sequence[Float32]]
) -> dict[str, Row]:
    """Return one row per predictor: HEAD_apart_WHERE, the largest difference to the first one; figures; loss.

    WHERE is a key of `compared`, the windows on which the heads are compared.
    """
    rows: dict[str, Row] = {}
    first = next(iter(predictors.values()))
    for name, predict in predictors.items():
        figures = summarise(evaluate(predict, recordings)[0])
        rows[name] = {figure: figures[figure] for figure in ("windows", *FIGURES, "mdr")}
        for where, windows in compared.items():
            largest = differences(first, predict, windows)
            rows[name] |= {f"{head}_apart_{where}": largest[head] for head in HEADS}
        rows[name]["loss_percent"] = loss_percent(rows[name], next(iter(rows.values())))
    return rows


def too_far(rows: dict[str, Row]) -> list[str]:
    """Return the rows of PRECISIONS whose heads differ more from the first row than `export.bundle` allows."""
    found = []
    for name, precision in PRECISIONS.items():
        apart = [value or 0 for key, value in rows[name].items() if "_apart_" in key]
        if not all(value <= TOLERANCE[precision] for value in apart):
            found.append(name)
    return found


def markdown(rows: dict[str, Row]) -> str:
    """Format the rows as a Markdown table."""
    first = next(iter(rows.values()))
    forms = {
        **{key: (key.replace("_", " "), ".1e") for key in first if "_apart_" in key},
        "r_timing_ms_median": ("R ms", ".2f"),
        "ppi_error_ms": ("PPI ms", ".2f"),
        "pcc": ("PCC", ".4f"),
        "mdr": ("MDR", ".4f"),
        "loss_percent": ("loss %", ".2f"),
    }
    lines = ["| | " + " | ".join(title for title, _ in forms.values()) + " |", "|---" * (len(forms) + 1) + "|"]
    for name, row in rows.items():
        cells = ["--" if (value := row[key]) is None else format(value, form) for key, (_, form) in forms.items()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.verify", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("network", type=Path, help="checkpoint, or folder of a float32 bundle")
    parser.add_argument("--data", type=Path, required=True, metavar="TOML", help="data set; its test part is used")
    parser.add_argument("--fold", type=int, default=0, help="fold of the data set (default: %(default)s)")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="recording made by radarecg record")
    parser.add_argument("--engine", type=Path, help="engine built from this bundle on this machine")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        data = load_dataset(args.data)
        test = part_of(data, "test", args.fold)
        made, predictors = network(args.network)
        predictors |= in_onnx_runtime(made, windows_of(part_of(data, "train", args.fold), made.about.points))
        if args.engine:
            from edge.inference.backends.tensorrt import TensorRt

            predictors["TensorRT engine"] = TensorRt(made, args.engine)
        compared = {"data": windows_of(test, made.about.points, COMPARED_WINDOWS)}
        if args.replay:
            compared["replay"] = replayed(args.replay, next(iter(predictors.values())))
        rows = table(predictors, test, compared)
    except (InputError, OSError) as error:
        print(f"export.verify: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("export.verify: interrupted", file=sys.stderr)
        return 130
    print(f"{data.name}, test part, fold {args.fold}: {len(test)} recordings; largest differences on ", end="")
    print(", ".join(f"{len(windows)} windows of the {where}" for where, windows in compared.items()), end="\n\n")
    print(markdown(rows))
    lossy = [name for name, row in rows.items() if (row["loss_percent"] or 0) > MAX_LOSS_PERCENT]
    print(f"\nmore than {MAX_LOSS_PERCENT:g} % of a figure lost: {'; '.join(lossy) or 'none'}")
    print(f"differences above the tolerance of the precision: {'; '.join(too_far(rows)) or 'none'}")
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
