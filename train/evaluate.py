"""A network on recordings with a known ECG: tables, pictures, and one JSON line.

python -m train.evaluate --checkpoint runs/compact/best.pt --data sim/dataset.toml --part test --out figures
python -m train.evaluate --shipped --json
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from rich.progress import track

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.inference import bundle
from edge.inference.backends.base import Predictor
from edge.inference.backends.onnxrt import OnnxRuntime
from train.data.dataset import DataSet, Recording, load
from train.evaluation.figures import TrialFigures, examine
from train.evaluation.metrics import delta_m
from train.evaluation.noise_tests import TESTS, disturbed
from train.evaluation.pictures import draw_distributions, draw_reconstructions
from train.evaluation.reconstruct import Reconstruction
from train.evaluation.summary import Row, grouped, markdown, summarise, table_one
from train.simulate import simulate_set
from train.simulation.trial import SAMPLES
from train.training import checkpoint
from train.training.predictor import TorchPredictor

DRAWN = 6

UNSEEN_SEED, UNSEEN_SUBJECTS = 9001, 12
"""Simulated people on whom the shipped bundle is measured; no network is trained on this seed."""
UNSEEN = Path("recordings") / f"simulated-{UNSEEN_SEED}"


def evaluate(
    predict: Predictor, recordings: Iterable[Recording], test: str | None = None
) -> tuple[list[TrialFigures], list[Reconstruction]]:
    """Every recording, with the noise of a row of TESTS if one is named; shows its progress."""
    figures, made = [], []
    for recording in track(list(recordings), test or "evaluating"):
        trial = disturbed(recording.trial, test) if test else recording.trial
        of_trial, reconstruction = examine(predict, trial, recording.labels)
        figures.append(of_trial)
        made.append(reconstruction)
    return figures, made


def noise_table(predict: Predictor, recordings: Sequence[Recording], clean: Row) -> dict[str, Row]:
    """A row a noise test, each with `delta_m`: the change to the network's own figures without noise, in %.

    A network that was trained with `augment` has heard noise of these kinds, made by the same functions; the paper's
    had not.
    """
    rows = {}
    for test in TESTS:
        row = summarise(evaluate(predict, recordings, test)[0])
        change = delta_m(table_one(row), table_one(clean))
        rows[test] = {**row, "delta_m": None if math.isnan(change) else round(change, 2)}
    return rows


def part_of(data: DataSet, part: str, fold: int = 0) -> tuple[Recording, ...]:
    """`train`, `validation` or `test` of a fold, or `all`. Raises InputError where there is no such fold."""
    if part == "all":
        return data.recordings
    if fold >= len(data.folds):
        raise InputError(
            f"{data.name} has {len(data.folds)} folds, no fold {fold}: give it a [split], or take --part all"
        )
    return data.of(getattr(data.folds[fold], part))


def unseen(folder: Path = UNSEEN, subjects: int = UNSEEN_SUBJECTS, samples: int = SAMPLES) -> DataSet:
    """A trial of each of the simulated people nobody has trained on; made in `folder` where it is not there yet."""
    simulate_set(folder, subjects, UNSEEN_SEED, trials_per_subject=1, samples=samples)
    return load(folder / "dataset.toml")


def predictor_of(args: argparse.Namespace) -> Predictor:
    """The network that the command names. Raises InputError, FileNotFoundError."""
    if args.checkpoint:
        return TorchPredictor(checkpoint.load(args.checkpoint).network())
    return OnnxRuntime(bundle.load(bundle.SHIPPED if args.shipped else args.bundle))


def recordings_of(args: argparse.Namespace) -> tuple[Sequence[Recording], str]:
    """The recordings that the command names, and their name. Raises InputError, FileNotFoundError."""
    if args.shipped:
        data = unseen()
        return data.recordings, data.name
    data = load(args.data)
    return part_of(data, args.part, args.fold), f"{data.name}, part {args.part}, fold {args.fold}"


def report(
    predict: Predictor, recordings: Sequence[Recording], data: str, out: Path | None, noise: bool
) -> dict[str, object]:
    """Prints the tables, draws the pictures into `out`, and returns all figures; `data` names the recordings."""
    if not recordings:
        raise InputError("nothing to evaluate: the data set has no recording in this part")
    figures, made = evaluate(predict, recordings)
    overall = summarise(figures)
    rows = {"all": overall, **grouped(figures, lambda trial: trial.status)}
    rows |= {f"subject {name}": row for name, row in grouped(figures, lambda trial: trial.subject).items()}
    print(markdown(rows))
    noisy = noise_table(predict, recordings, overall) if noise else {}
    if noisy:
        print()
        print(markdown({f"{name}: Delta_m {_change(row['delta_m'])}": row for name, row in noisy.items()}))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        step = max(1, len(recordings) // DRAWN)
        draw_reconstructions(list(zip(recordings, made, strict=True))[::step][:DRAWN], out / "reconstructions.png")
        draw_distributions(figures, out / "distributions.png")
        (out / "figures.json").write_text(json.dumps({"data": data, "rows": rows, "noise": noisy}, indent=1))
    return {**overall, "noise": {name: row["delta_m"] for name, row in noisy.items()}} if noisy else {**overall}


def _change(delta: float | None) -> str:
    return "--" if delta is None else f"{delta:+.1f} %"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m train.evaluate", description=__doc__.split("\n")[0] if __doc__ else ""
    )
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--checkpoint", type=Path, metavar="PT")
    network.add_argument("--bundle", type=Path, metavar="DIR", help="what python -m export.bundle wrote")
    network.add_argument("--shipped", action="store_true", help="radarecg's own bundle, on simulated people unseen")
    parser.add_argument("--data", type=Path, metavar="TOML", help="the data set; --shipped brings its own")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="test")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--noise", action="store_true", help="the paper's noise tests too: twelve times as long")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where pictures and all figures go")
    parser.add_argument("--json", action="store_true", help="the tables to stderr: stdout has the JSON line alone")
    args = parser.parse_args(arguments)
    if args.shipped == bool(args.data):
        parser.error("--data is needed, but not with --shipped")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        with redirect_stdout(sys.stderr if args.json else sys.stdout):
            figures = report(predictor_of(args), *recordings_of(args), args.out, args.noise)
    except (InputError, OSError) as error:
        print(f"train.evaluate: error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
