"""A trained network fitted to somebody's own recordings, and measured on people of whom it has seen nothing.

    python -m train.finetune --checkpoint runs/compact/best.pt --data mine.toml --out runs/mine

In every fold of the data set's split the training subjects are learnt from, the validation subjects choose the epoch,
and the test subjects are measured before and after. Then `adapted.pt` learns from all subjects, as many epochs as the
folds chose in the median. Run it again to go on: finished folds are kept.

Little data, so little is moved: a tenth of the rate a training starts with, a few hundred steps, normalisations go by
the statistics they have, and the network stays as it was where no epoch is better for the validation subjects.
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
from train.data.dataset import DataSet, load, part_of
from train.data.splits import Fold, Split, split_subjects
from train.evaluation.report import evaluate
from train.evaluation.summary import Row, markdown, summarise
from train.model.network import Network
from train.training import checkpoint
from train.training.bundle_weights import checkpoint_of
from train.training.cached_work import cached_json, check_settings
from train.training.checkpoint import Checkpoint
from train.training.clock_alignment import aligned
from train.training.config import Data, TrainConfig, Training
from train.training.predictor import TorchPredictor
from train.training.setup import make_trainer

EPOCHS, STEPS, RATE = 10, 20, 2e-4
VIEWS = {"zero_shot": "zero-shot", "fine_tuned": "fine-tuned"}
SHOWN = (
    *("pcc", "lag_pcc", "r_timing_ms_median", "f1_aligned"),
    *("hr_error_bpm_median", "hr_right", "classical_hr_error_bpm_median", "classical_hr_right"),
)
"""Of train.evaluation.summary.COLUMNS, in the table; the folds' figures.json have them all."""


def settings_for(base: Checkpoint, data: DataSet, training: Training) -> TrainConfig:
    """The settings of the network for these data: as many points as it had, or as the data have.

    Recordings with fewer give some of theirs twice. Raises InputError for a set without a split, with a number of
    points that the network does not take, or of which the network has learnt before.
    """
    if not data.folds:
        raise InputError(f"{data.name} has no [split]: give it one, or say --folds leave-subject-out")
    subjects = {recording.trial.subject for recording in data.recordings}
    if known := sorted(subjects & set(base.learnt_from().get(data.name, ()))):
        raise InputError(
            f"the network has learnt from {data.name} already ({', '.join(known)}), and would be measured on what it "
            "knows; begin from one that has not"
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
    """The network adapted in the fold of `config`, and its epoch; 0: none was better than the network itself."""
    trainer = make_trainer(config, data, folder, base)
    trainer.train()
    best = min(trainer.history, key=lambda epoch: epoch["score"])
    if best["score"] >= trainer.validate(base.network().to(trainer.context.device))["score"]:
        return base.network(), 0
    return checkpoint.load(folder / "best.pt").network(), int(best["epoch"])


def fold_figures(base: Checkpoint, config: TrainConfig, learn: DataSet, data: DataSet, folder: Path) -> dict[str, Any]:
    """The test subjects of the fold of `config`, by the network as it is and by what it becomes of `learn`."""
    network, epoch = adapt(base, config, learn, folder)
    test = part_of(data, "test", config.data.fold)
    before, after = (summarise(evaluate(TorchPredictor(net), test)[0]) for net in (base.network(), network))
    return {"subjects": data.folds[config.data.fold].test, "epoch": epoch, "zero_shot": before, "fine_tuned": after}


def mean_of(rows: Sequence[Row]) -> Row:
    """Every fold counts alike in what is known of it."""
    known = {name: [value for row in rows if (value := row[name]) is not None] for name in rows[0]}
    return {name: round(statistics.fmean(values), 4) if values else None for name, values in known.items()}


def adapt_to_all(base: Checkpoint, config: TrainConfig, data: DataSet, epochs: int, out: Path) -> None:
    """Writes `adapted.pt`: so many epochs on all subjects, none of whom is left to measure it on."""
    path, folder = out / "adapted.pt", out / "unfinished" / str(epochs)
    subjects = tuple(sorted({recording.trial.subject for recording in data.recordings}))
    config = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, epochs=epochs))
    if not path.exists() or checkpoint.load(path).config != config:
        trainer = make_trainer(config, replace(data, folds=(Fold(subjects, subjects, ()),)), folder, base)
        trainer.train()
        state = {"network": trainer.network.state_dict(), "history": trainer.history}
        checkpoint.save(path, config, state, {**trainer.provenance, "validation": []})
    shutil.rmtree(folder.parent, ignore_errors=True)


def finetune(
    base: Checkpoint, data: DataSet, training: Training, first: int | None, out: Path, align: bool = False
) -> dict[str, object]:
    """All of it: the folds (the `first` ones; None: all), the table, `adapted.pt`. Returns the figures.

    `align`: see train.training.clock_alignment; only what is learnt from is aligned, not what is measured. Raises
    InputError, OSError.
    """
    base_config = settings_for(base, data, training)
    what = {
        "network": _digest(base),
        "data": [data.name, [[r.trial.name, len(r.labels.window)] for r in data.recordings]],
        "split": [[fold.validation, fold.test] for fold in data.folds],
        "training": msgspec.to_builtins(training),
        "align": align,
    }
    check_settings(what, out)
    learn = aligned(TorchPredictor(base.network()), data) if align else data
    figures = []
    for number, fold in enumerate(data.folds[:first]):
        folder = out / f"fold-{number + 1}"
        path = folder / "figures.json"
        known = " (finished before)" if path.exists() else ""
        print(f"fold {number + 1} of {len(data.folds[:first])}: tested on {', '.join(fold.test)}{known}")
        config = msgspec.structs.replace(base_config, data=msgspec.structs.replace(base_config.data, fold=number))
        figures.append(cached_json(path, partial(fold_figures, base, config, learn, data, folder)))
        (folder / "last.pt").unlink(missing_ok=True)
    means = {key: mean_of([found[key] for found in figures]) for key in VIEWS}
    rows = {f"{', '.join(found['subjects'])}: {view}": found[key] for found in figures for key, view in VIEWS.items()}
    rows |= {f"mean of {len(figures)} folds: {view}": means[key] for key, view in VIEWS.items()}
    (out / "figures.md").write_text(markdown(rows, SHOWN) + "\n")
    print(markdown(rows, SHOWN))
    epochs = round(statistics.median(found["epoch"] for found in figures))
    if epochs:
        print(f"adapted.pt: all subjects, {epochs} epochs, validation on the same")
        adapt_to_all(base, base_config, learn, epochs, out)
    else:
        print("no adapted.pt: in most folds no epoch was better than the network as it is")
        (out / "adapted.pt").unlink(missing_ok=True)
    return {"folds": len(figures), "epochs": epochs, **means}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.finetune", description="Adapts a network to own recordings.")
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--checkpoint", type=Path, metavar="PT", help="what python -m train wrote")
    network.add_argument("--bundle", type=Path, metavar="DIR", help="what python -m export.bundle wrote")
    network.add_argument("--shipped", action="store_true", help="radarecg's own bundle")
    parser.add_argument("--data", type=Path, required=True, metavar="TOML", help="the data set; see docs/training.md")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--folds", choices=("leave-subject-out", "k-fold", "holdout"), help="other than the [split]")
    parser.add_argument("--align", action="store_true", help="the ECG's clock is not the radar's: move each ECG first")
    parser.add_argument("--first", type=count, metavar="N", help="the first N folds only")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--steps", type=int, default=STEPS, help="in an epoch")
    parser.add_argument("--rate", type=float, default=RATE, help="learning rate")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        wanted = {"epochs": args.epochs, "steps": args.steps, "learning_rate": args.rate, "keep_statistics": True}
        training = msgspec.convert(wanted, Training)
        if args.checkpoint:
            base = checkpoint.load(args.checkpoint)
        else:
            base = checkpoint_of(bundle.load(bundle.SHIPPED if args.shipped else args.bundle))
        data = load(args.data)
        data = folded(data, args.folds) if args.folds else data
        figures = finetune(base, data, training, args.first, args.out, args.align)
    except (InputError, msgspec.ValidationError, OSError) as error:
        print(f"train.finetune: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train.finetune: stopped; the same command goes on where it was in {args.out}", file=sys.stderr)
        return 130
    print(json.dumps(figures))
    return 0


def folded(data: DataSet, kind: str) -> DataSet:
    """The data set with another kind of split. Raises SplitError for too few subjects."""
    split: Split = msgspec.convert({"kind": kind}, Split)
    return replace(data, folds=tuple(split_subjects((r.trial.subject for r in data.recordings), split)))


def _digest(base: Checkpoint) -> str:
    weights = b"".join(value.numpy().tobytes() for value in base.state["network"].values())
    return hashlib.blake2b(weights, digest_size=8).hexdigest()


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
