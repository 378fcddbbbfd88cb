"""Evaluates a network on recordings with a known ECG: prints tables, draws pictures, and prints one JSON line.

python -m train.evaluate --checkpoint runs/compact/best.pt --data sim/dataset.toml --part test --out figures
python -m train.evaluate --shipped --json
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.inference import bundle
from edge.inference.backends.onnxrt import OnnxRuntime
from train.comparators import is_comparator, load_comparator
from train.data.dataset import Recording, load_dataset, part_of
from train.evaluation.long_ecg import Reconstructor
from train.evaluation.report import report
from train.simulation.simulated_set import unseen_set
from train.training import checkpoint
from train.training.distributed import choose_device
from train.training.predictor import TorchPredictor


def load_predictor(args: argparse.Namespace) -> Reconstructor:
    """Load the network that the command line selects. Raises InputError, FileNotFoundError."""
    if args.checkpoint and is_comparator(args.checkpoint):
        return load_comparator(args.checkpoint)
    if args.checkpoint:
        return TorchPredictor(checkpoint.load_checkpoint(args.checkpoint).network(), choose_device())
    return OnnxRuntime(bundle.load_bundle(bundle.SHIPPED if args.shipped else args.bundle))


def load_recordings(args: argparse.Namespace) -> tuple[Sequence[Recording], str]:
    """Load the recordings that the command line selects, and their name. Raises InputError, FileNotFoundError."""
    if args.shipped:
        data = unseen_set()
        return data.recordings, data.name
    data = load_dataset(args.data)
    return part_of(data, args.part, args.fold), f"{data.name}, part {args.part}, fold {args.fold}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m train.evaluate", description=__doc__.split("\n")[0] if __doc__ else ""
    )
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--checkpoint", type=Path, metavar="PT", help="file written by python -m train")
    network.add_argument("--bundle", type=Path, metavar="DIR", help="folder written by python -m export.bundle")
    network.add_argument(
        "--shipped", action="store_true", help="radarecg's own bundle, on simulated people it was not trained on"
    )
    parser.add_argument("--data", type=Path, metavar="TOML", help="the data set; not with --shipped, which has its own")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="test")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--noise", action="store_true", help="also run the paper's noise tests: twelve times as long")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the pictures and figures.json")
    parser.add_argument("--json", action="store_true", help="print the tables to stderr, only the JSON line to stdout")
    args = parser.parse_args(arguments)
    if args.shipped == bool(args.data):
        parser.error("--data is required without --shipped and not allowed with it")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        with redirect_stdout(sys.stderr if args.json else sys.stdout):
            figures = report(load_predictor(args), *load_recordings(args), args.out, args.noise)
    except (InputError, OSError) as error:
        print(f"train.evaluate: error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
