"""What leaving torch costs: a network in every precision beside itself in float32, on a data set's test part.

python -m export.verify runs/compact/best.pt --data recordings/simulated/dataset.toml --replay recordings/trial

Two tables in one: how far each head's answers lie apart at most, on windows of the set and on those of a recording that
is replayed, and the figures of the task, which are what matters. The first row is torch (of a bundle: ONNX Runtime in
float32); what follows runs in ONNX Runtime on the CPU, and an engine, if one is named, where it was built.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.core.types import Float32
from edge.inference import bundle
from edge.inference.backends.base import Predictor
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.bundle import Bundle, Precision
from export.bundle import TOLERANCE, in_memory
from export.difference import HEADS, differences
from export.precision import in_precision
from export.windows import replayed, windows_of
from train.data.dataset import Recording, load, part_of
from train.evaluation.report import evaluate
from train.evaluation.summary import Row, summarise
from train.training import checkpoint
from train.training.predictor import TorchPredictor

FIGURES = {"r_timing_ms_median": -1, "ppi_error_ms": -1, "pcc": 1}
"""Of the three tasks, and whether more is better."""
LOSS_PERCENT = 1.0
"""More of any of FIGURES no precision should cost."""
COMPARED = 32
"""Windows on which the heads are compared."""


def network(path: Path) -> tuple[Bundle, dict[str, Predictor]]:
    """A checkpoint, or a float32 bundle's folder, as a float32 bundle; and torch, where it has the weights.

    Raises InputError, FileNotFoundError.
    """
    if path.is_dir():
        return bundle.load(path), {}
    source = checkpoint.load(path)
    return in_memory(source, path), {"torch": TorchPredictor(source.network())}


def in_onnx_runtime(made: Bundle, windows: Sequence[Float32]) -> dict[str, Predictor]:
    """A float32 bundle in every precision, int8 calibrated on `windows`. Raises InputError."""
    return {f"ONNX Runtime {each}": OnnxRuntime(in_precision(made, each, windows)) for each in get_args(Precision)}


def loss_percent(row: Row, before: Row) -> float:
    """By how much the worst of FIGURES is worse than before, in % of it; 100 for one that is no longer known."""
    losses = [0.0]
    for name, sign in FIGURES.items():
        now, was = row[name], before[name]
        if was:
            losses.append(100.0 if now is None else 100 * sign * (was - now) / abs(was))
    return round(max(losses), 2)


def table(
    ways: dict[str, Predictor], recordings: Sequence[Recording], shown: Mapping[str, Sequence[Float32]]
) -> dict[str, Row]:
    """A row a way: HEAD_apart_WHERE, the largest difference to the first way on the windows `shown`; figures; loss."""
    rows: dict[str, Row] = {}
    first = next(iter(ways.values()))
    for name, predict in ways.items():
        figures = summarise(evaluate(predict, recordings)[0])
        rows[name] = {figure: figures[figure] for figure in ("windows", *FIGURES, "mdr")}
        for where, windows in shown.items():
            apart = differences(first, predict, windows)
            rows[name] |= {f"{head}_apart_{where}": apart[head] for head in HEADS}
        rows[name]["loss_percent"] = loss_percent(rows[name], next(iter(rows.values())))
    return rows


def too_far(rows: dict[str, Row]) -> list[str]:
    """The precisions of which a head lies further from the first row than `export.bundle` would let pass."""
    far = []
    for precision, limit in TOLERANCE.items():
        row = rows[f"ONNX Runtime {precision}"]
        if not all((value or 0) <= limit for key, value in row.items() if "_apart_" in key):
            far.append(f"ONNX Runtime {precision}")
    return far


def markdown(rows: dict[str, Row]) -> str:
    """The rows as a table."""
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
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.verify", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("network", type=Path, help="a checkpoint, or a float32 bundle's folder")
    parser.add_argument("--data", type=Path, required=True, metavar="TOML", help="tested on its test part")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="a recording of radarecg record")
    parser.add_argument("--engine", type=Path, help="one built from this bundle on this machine")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        data = load(args.data)
        test = part_of(data, "test", args.fold)
        made, ways = network(args.network)
        ways |= in_onnx_runtime(made, windows_of(part_of(data, "train", args.fold), made.about.points))
        if args.engine:
            from edge.inference.backends.tensorrt import TensorRt

            ways["TensorRT engine"] = TensorRt(made, args.engine)
        shown = {"data": windows_of(test, made.about.points, COMPARED)}
        if args.replay:
            shown["replay"] = replayed(args.replay, next(iter(ways.values())))
        rows = table(ways, test, shown)
    except (InputError, OSError) as error:
        print(f"export.verify: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("export.verify: interrupted", file=sys.stderr)
        return 130
    print(f"{data.name}, test part, fold {args.fold}: {len(test)} recordings; largest differences on ", end="")
    print(", ".join(f"{len(windows)} windows of the {where}" for where, windows in shown.items()), end="\n\n")
    print(markdown(rows))
    dear = [name for name, row in rows.items() if (row["loss_percent"] or 0) > LOSS_PERCENT]
    print(f"\n{'; '.join(dear) or 'nothing'} loses more than {LOSS_PERCENT:g} % of a figure")
    print(f"{'; '.join(too_far(rows)) or 'nothing'} lies further apart than its precision may")
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
