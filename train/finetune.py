"""A trained network fitted to somebody's own recordings, and measured on people of whom it has seen nothing.

    python -m train.finetune --checkpoint runs/compact/best.pt --data mine.toml --out runs/mine

In every fold of the data set's [split] the training subjects are learnt from, the validation subjects choose the epoch,
and the test subjects are measured before and after. Then `adapted.pt` learns from all subjects, as many epochs as the
folds chose in the median. Run it again to go on: finished folds are kept.

Little data, so little is moved: a tenth of the rate a training starts with, a few hundred steps, and the checkpoint as
it was stays where no epoch is better for the validation subjects.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch

from edge.errors import InputError
from edge.spec import SST_BINS, SST_COLUMNS, SST_DEFAULT
from train import checkpoint
from train.__main__ import run_of
from train.batches import Batches
from train.checkpoint import Checkpoint
from train.config import Data, TrainConfig, Training
from train.data.dataset import DataSet, load
from train.evaluate import evaluate, part_of
from train.kept import keep_to, kept
from train.loop import Run
from train.model.network import Network
from train.predict import TorchPredictor
from train.summary import Row, markdown, summarise

EPOCHS, STEPS, RATE = 10, 20, 2e-4
VIEWS = {"zero_shot": "zero-shot", "fine_tuned": "fine-tuned"}


def settings_for(base: Checkpoint, data: DataSet, training: Training) -> TrainConfig:
    """The checkpoint's settings for these data: as many points as it had, or as the data have.

    Recordings with fewer give some of theirs twice. Raises InputError for a set without a split, or with a number of
    points that the network does not take.
    """
    if not data.folds:
        raise InputError(f'{data.name} has no [split]: add one to its file, as kind = "leave-subject-out"')
    for points in {len(recording.trial.rcg) for recording in data.recordings}:
        try:
            base.network()(torch.zeros(1, points, SST_BINS, SST_COLUMNS))
        except RuntimeError as error:
            raise InputError(
                f"{data.name} has {points} points, the network {base.config.model!r} another number"
            ) from error
    most = max(len(recording.trial.rcg) for recording in data.recordings)
    about = Data(data.name, points=min(base.config.data.points, most))
    return msgspec.structs.replace(base.config, data=about, training=training)


def adapt(base: Checkpoint, config: TrainConfig, data: DataSet, folder: Path) -> tuple[Network, int]:
    """The network adapted in the fold of `config`, and its epoch; 0: none was better than the checkpoint itself."""
    run = run_of(config, data, folder, base.state["network"])
    run.train()
    best = min(run.history, key=lambda epoch: epoch["score"])
    if best["score"] >= run.validate(base.network().to(run.place.device))["score"]:
        return base.network(), 0
    return checkpoint.load(folder / "best.pt").network(), int(best["epoch"])


def fold_figures(base: Checkpoint, config: TrainConfig, data: DataSet, folder: Path) -> dict[str, Any]:
    """The test subjects of the fold of `config`, by the checkpoint and by what it becomes."""
    network, epoch = adapt(base, config, data, folder)
    test = part_of(data, "test", config.data.fold)
    before, after = (summarise(evaluate(TorchPredictor(net), test)[0]) for net in (base.network(), network))
    (folder / "last.pt").unlink()
    return {"subjects": data.folds[config.data.fold].test, "epoch": epoch, "zero_shot": before, "fine_tuned": after}


def mean_of(rows: list[Row]) -> Row:
    """Every fold counts alike in what is known of it."""
    known = {name: [value for row in rows if (value := row[name]) is not None] for name in rows[0]}
    return {name: round(statistics.fmean(values), 4) if values else None for name, values in known.items()}


def adapt_to_all(base: Checkpoint, config: TrainConfig, data: DataSet, epochs: int, out: Path) -> None:
    """Writes `adapted.pt`: so many epochs on all subjects, none of whom is left to measure it on."""
    training = msgspec.structs.replace(config.training, epochs=epochs)
    config = msgspec.structs.replace(config, training=training)
    folder = out / f"all-{epochs}"
    folder.mkdir(exist_ok=True)
    learn, check = (
        Batches(data.recordings, training.batch, config.data.points, augment, config.seed, SST_DEFAULT)
        for augment in (True, False)
    )
    subjects = sorted({recording.trial.subject for recording in data.recordings})
    provenance = {"data": data.name, "train": subjects, "validation": [], "test": [], "start": base.provenance}
    run = Run(config, folder, learn, check, provenance, base.state["network"])
    run.train()
    checkpoint.save(out / "adapted.pt", config, {"network": run.network.state_dict()}, provenance)


def finetune(path: Path, data: DataSet, training: Training, folds: int | None, out: Path) -> dict[str, object]:
    """All of it: the folds (None: all), the table, `adapted.pt`. Returns the figures. Raises InputError, OSError."""
    if folds is not None and folds < 1:
        raise InputError(f"{folds} folds; one at least is needed")
    base = checkpoint.load(path)
    config = settings_for(base, data, training)
    what = {
        "checkpoint": hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest(),
        "data": [data.name, [[r.trial.name, len(r.labels.window)] for r in data.recordings]],
        "split": [[fold.validation, fold.test] for fold in data.folds],
        "training": msgspec.to_builtins(training),
    }
    keep_to(what, out)
    figures = []
    for number, fold in enumerate(data.folds[:folds]):
        print(f"fold {number + 1}: tested on {', '.join(fold.test)}")
        of_fold = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, fold=number))
        folder = out / f"fold-{number + 1}"
        figures.append(kept(folder / "figures.json", partial(fold_figures, base, of_fold, data, folder)))
    means = {key: mean_of([found[key] for found in figures]) for key in VIEWS}
    rows = {f"{', '.join(found['subjects'])}: {view}": found[key] for found in figures for key, view in VIEWS.items()}
    rows |= {f"mean of {len(figures)} folds: {view}": means[key] for key, view in VIEWS.items()}
    (out / "figures.md").write_text(markdown(rows) + "\n")
    print(markdown(rows))
    epochs = round(statistics.median(found["epoch"] for found in figures))
    if epochs:
        adapt_to_all(base, config, data, epochs, out)
    else:
        print("no adapted.pt: in most folds no epoch was better than the checkpoint as it is")
    return {"folds": len(figures), "epochs": epochs, **means}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.finetune", description="Adapts a network to own recordings.")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="PT")
    parser.add_argument("--data", type=Path, required=True, metavar="TOML", help="a data set with a [split]")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--folds", type=int, metavar="N", help="the first N folds only; default: all")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--steps", type=int, default=STEPS, help="in an epoch")
    parser.add_argument("--rate", type=float, default=RATE, help="learning rate")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        wanted = {"epochs": args.epochs, "steps": args.steps, "learning_rate": args.rate}
        training = msgspec.convert(wanted, Training)
        figures = finetune(args.checkpoint, load(args.data), training, args.folds, args.out)
    except (InputError, msgspec.ValidationError, OSError) as error:
        print(f"train.finetune: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train.finetune: stopped; the same command goes on where it was in {args.out}", file=sys.stderr)
        return 130
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
