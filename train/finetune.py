"""Fine-tunes a trained network on own recordings, and evaluates it on people not used in training.

    python -m train.finetune --checkpoint runs/compact/best.pt --data mine.toml --out runs/mine

In every fold of the data set's split, the network is trained on the training subjects, the validation subjects select
the epoch, and the test subjects are evaluated before and after. Then `adapted.pt` is trained on all subjects, for the
median of the epochs selected in the folds. The same command resumes an interrupted run; finished folds are kept.

Because there is little data, the network is changed little: a tenth of the learning rate of a training, a few hundred
steps, and fixed batch normalisation statistics. If no epoch is better for the validation subjects, the network is
unchanged.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch

from edge.cli.arguments import count
from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.core.spec import SST_BINS, SST_COLUMNS
from edge.inference import bundle
from train.data.dataset import DataSet, load_dataset, part_of, with_split
from train.data.splits import Fold, Split
from train.evaluation.report import evaluate
from train.evaluation.summary import Row, markdown, summarise
from train.model.network import Network
from train.training import checkpoint
from train.training.bundle_weights import checkpoint_from_bundle
from train.training.cached_work import cached_json, check_settings
from train.training.checkpoint import Checkpoint
from train.training.clock_alignment import aligned
from train.training.config import Data, TrainConfig, Training
from train.training.distributed import choose_device
from train.training.predictor import TorchPredictor
from train.training.setup import make_trainer

EPOCHS, STEPS, LEARNING_RATE = 10, 20, 2e-4
VIEWS = {"zero_shot": "zero-shot", "fine_tuned": "fine-tuned"}
TABLE_COLUMNS = (
    *("pcc", "lag_pcc", "r_timing_ms_median", "f1_aligned"),
    *("hr_error_bpm_median", "hr_right", "classical_hr_error_bpm_median", "classical_hr_right"),
)
"""Columns of the table, from train.evaluation.summary.COLUMNS; the folds' figures.json have all figures."""


def make_config(base: Checkpoint, data: DataSet, training: Training) -> TrainConfig:
    """Return the network's settings for these data; points: as before, but at most those of the data.

    Recordings with fewer points use some of them twice. Raises InputError if the set has no split, a number of points
    that the network does not take, or subjects that the network was trained on.
    """
    if not data.folds:
        raise InputError(f"{data.name} has no [split]: add one, or use --folds leave-subject-out")
    if data.folds[0].by != "subject":
        raise InputError(f"{data.name} is split by trial: its figures would not be of new people; use --folds")
    subjects = {recording.trial.subject for recording in data.recordings}
    if overlap := sorted(subjects & set(base.training_subjects().get(data.name, ()))):
        raise InputError(
            f"the network has learnt from {data.name} already ({', '.join(overlap)}), and would be tested on subjects "
            "it was trained on; start from a network that was not"
        )
    counts = {len(recording.trial.rcg) for recording in data.recordings}
    for points in counts:
        try:
            base.network()(torch.zeros(1, points, SST_BINS, SST_COLUMNS))
        except RuntimeError as error:
            raise InputError(
                f"{data.name} has {points} points, the network {base.config.model!r} another number"
            ) from error
    about = Data(data.name, points=min(base.config.data.points, max(counts)))
    return msgspec.structs.replace(base.config, data=about, training=training)


def adapt(base: Checkpoint, config: TrainConfig, data: DataSet, folder: Path) -> tuple[Network, int]:
    """Fine-tune the network in the fold of `config`; return it with its epoch, 0 if no epoch was better than before."""
    trainer = make_trainer(config, data, folder, base)
    trainer.train()
    best = min(trainer.history, key=lambda epoch: epoch["score"])
    if best["score"] >= trainer.validate(base.network().to(trainer.context.device))["score"]:
        return base.network(), 0
    return checkpoint.load_checkpoint(folder / "best.pt").network(), int(best["epoch"])


def fold_figures(base: Checkpoint, config: TrainConfig, learn: DataSet, data: DataSet, folder: Path) -> dict[str, Any]:
    """Evaluate the fold's test subjects of `data` before and after fine-tuning on its training subjects of `learn`."""
    network, epoch = adapt(base, config, learn, folder)
    test = part_of(data, "test", config.data.fold)
    predictors = (TorchPredictor(each, choose_device()) for each in (base.network(), network))
    before, after = (summarise(evaluate(predict, test)[0]) for predict in predictors)
    return {"subjects": data.folds[config.data.fold].test, "epoch": epoch, "zero_shot": before, "fine_tuned": after}


def mean_row(rows: Sequence[Row]) -> Row:
    """Return the mean over folds of each figure, without unknown values."""
    known = {name: [value for row in rows if (value := row[name]) is not None] for name in rows[0]}
    return {name: round(statistics.fmean(values), 4) if values else None for name, values in known.items()}


def adapt_to_all(base: Checkpoint, config: TrainConfig, data: DataSet, epochs: int, out: Path) -> None:
    """Train on all subjects for `epochs` and write `adapted.pt`; no test subjects remain."""
    path, folder = out / "adapted.pt", out / "unfinished" / str(epochs)
    subjects = tuple(sorted({recording.trial.subject for recording in data.recordings}))
    config = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, epochs=epochs))
    if not path.exists() or checkpoint.load_checkpoint(path).config != config:
        trainer = make_trainer(config, replace(data, folds=(Fold(subjects, subjects, ()),)), folder, base)
        trainer.train()
        state = {"network": trainer.network.state_dict(), "history": trainer.history}
        checkpoint.save(path, config, state, {**trainer.provenance, "validation": []})
    shutil.rmtree(folder.parent, ignore_errors=True)


def finetune(
    base: Checkpoint, data: DataSet, training: Training, first: int | None, out: Path, align: bool = False
) -> dict[str, object]:
    """Run the first `first` folds (None: all), write the table and `adapted.pt`, and return the figures.

    `align`: see train.training.clock_alignment; only training and validation data are aligned, not the test data.
    Raises InputError, OSError.
    """
    base_config = make_config(base, data, training)
    what = {
        "network": _digest(base),
        "data": [data.name, [[r.trial.name, len(r.labels.window)] for r in data.recordings]],
        "split": [[fold.validation, fold.test] for fold in data.folds],
        "training": msgspec.to_builtins(training),
        "align": align,
    }
    check_settings(what, out)
    learn = aligned(TorchPredictor(base.network(), choose_device()), data) if align else data
    figures = []
    for number, fold in enumerate(data.folds[:first]):
        folder = out / f"fold-{number + 1}"
        path = folder / "figures.json"
        note = " (finished before)" if path.exists() else ""
        print(f"fold {number + 1} of {len(data.folds[:first])}: tested on {', '.join(fold.test)}{note}")
        config = msgspec.structs.replace(base_config, data=msgspec.structs.replace(base_config.data, fold=number))
        figures.append(cached_json(path, partial(fold_figures, base, config, learn, data, folder)))
        (folder / "last.pt").unlink(missing_ok=True)
    means = {key: mean_row([found[key] for found in figures]) for key in VIEWS}
    rows = {f"{', '.join(found['subjects'])}: {view}": found[key] for found in figures for key, view in VIEWS.items()}
    rows |= {f"mean of {len(figures)} folds: {view}": means[key] for key, view in VIEWS.items()}
    (out / "figures.md").write_text(markdown(rows, TABLE_COLUMNS) + "\n")
    print(markdown(rows, TABLE_COLUMNS))
    epochs = round(statistics.median(found["epoch"] for found in figures))
    if epochs:
        print(f"adapted.pt: all subjects, {epochs} epochs, validation on the same subjects")
        adapt_to_all(base, base_config, learn, epochs, out)
    else:
        print("no adapted.pt: in most folds no epoch was better than the network before")
        (out / "adapted.pt").unlink(missing_ok=True)
    return {"folds": len(figures), "epochs": epochs, **means}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m train.finetune", description="Fine-tune a network on own recordings."
    )
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--checkpoint", type=Path, metavar="PT", help="file written by python -m train")
    network.add_argument("--bundle", type=Path, metavar="DIR", help="folder written by python -m export.bundle")
    network.add_argument("--shipped", action="store_true", help="radarecg's own bundle")
    parser.add_argument("--data", type=Path, required=True, metavar="TOML", help="the data set; see docs/training.md")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--folds", choices=("leave-subject-out", "k-fold", "holdout"), help="replaces the [split] of the data set"
    )
    parser.add_argument("--align", action="store_true", help="correct a constant clock offset of each ECG first")
    parser.add_argument("--first", type=count, metavar="N", help="the first N folds only")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--steps", type=int, default=STEPS, help="per epoch")
    parser.add_argument("--rate", type=float, default=LEARNING_RATE, help="learning rate")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        wanted = {"epochs": args.epochs, "steps": args.steps, "learning_rate": args.rate, "keep_statistics": True}
        training = msgspec.convert(wanted, Training)
        if args.checkpoint:
            base = checkpoint.load_checkpoint(args.checkpoint)
        else:
            base = checkpoint_from_bundle(bundle.load_bundle(bundle.SHIPPED if args.shipped else args.bundle))
        data = load_dataset(args.data)
        data = with_split(data, msgspec.convert({"kind": args.folds}, Split)) if args.folds else data
        figures = finetune(base, data, training, args.first, args.out, args.align)
    except (InputError, msgspec.ValidationError, OSError) as error:
        print(f"train.finetune: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train.finetune: interrupted; run the same command again to resume from {args.out}", file=sys.stderr)
        return 130
    print(json.dumps(figures))
    return 0


def _digest(base: Checkpoint) -> str:
    weights = b"".join(value.numpy().tobytes() for value in base.state["network"].values())
    return hashlib.blake2b(weights, digest_size=8).hexdigest()


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
