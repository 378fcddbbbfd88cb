"""Trains a network as a settings file says, evaluates it on subjects it has not seen, and draws what it makes of them.

    python -m train --config train/presets/smoke.toml

A run lies in one folder. The same command goes on with a run that was stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

import torch.distributed as dist

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.core.spec import RCG_RATE_HZ, SST_DEFAULT
from train.data.dataset import DataSet, load, with_windows
from train.evaluate import part_of, report
from train.model import POINTS
from train.simulate import simulate_set
from train.simulation.trial import SAMPLES
from train.training import checkpoint
from train.training.batches import Batches
from train.training.checkpoint import Checkpoint
from train.training.config import TrainConfig, TrainConfigError, load_train_config
from train.training.distributed import DistributedContext
from train.training.loop import Trainer
from train.training.predictor import TorchPredictor


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train", description="Trains, evaluates and plots.")
    parser.add_argument("--config", type=Path, required=True, metavar="TOML")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/ and the settings file's name")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    out = args.out or Path("runs") / args.config.stem
    try:
        config = load_train_config(args.config)
        data = data_of(config, args.config.parent)
        run = run_of(config, data, out)
        run.train()
        if run.place.rank == 0:
            predict = TorchPredictor(checkpoint.load(out / "best.pt").network())
            test, name = part_of(data, "test", config.data.fold), f"{data.name}, part test, fold {config.data.fold}"
            print(json.dumps(report(predict, test, name, out, noise=False)))
    except (InputError, OSError) as error:
        print(f"train: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train: stopped; the same command goes on from the last whole epoch in {out}", file=sys.stderr)
        return 130
    return 0


def data_of(config: TrainConfig, folder: Path) -> DataSet:
    """The data set of the settings in `folder`; simulated first, where the settings say so and it is not there."""
    path, place = folder / config.data.set, DistributedContext.find()
    if place.rank:
        dist.barrier()  # until the first process has written what was missing
    elif simulated := config.data.simulate:
        samples = simulated.seconds * RCG_RATE_HZ if simulated.seconds else SAMPLES
        simulate_set(path.parent, simulated.subjects, simulated.seed, simulated.trials_per_subject, samples)
    data = load(path)
    if not config.data.augment:
        data = with_windows(data, path.with_suffix(".windows"))
    if place.ranks > 1 and not place.rank:
        dist.barrier()
    return data


def run_of(config: TrainConfig, data: DataSet, out: Path, start: Checkpoint | None = None) -> Trainer:
    """A run on the training and validation subjects of a data set's fold, from the weights of `start` where given."""
    if (needed := POINTS.get(config.model)) and needed != config.data.points:
        raise TrainConfigError(f"the network {config.model} takes {needed} points, not {config.data.points}")
    out.mkdir(parents=True, exist_ok=True)
    size, points, seed = config.training.batch, config.data.points, config.seed
    learn = Batches(part_of(data, "train", config.data.fold), size, points, config.data.augment, seed, SST_DEFAULT)
    check = Batches(part_of(data, "validation", config.data.fold), size, points, False, seed, SST_DEFAULT)
    fold = data.folds[config.data.fold]
    provenance = {
        "data": data.name,
        "train": list(fold.train),
        "validation": list(fold.validation),
        "test": list(fold.test),
        "before": start.learnt_from() if start else {},
    }
    return Trainer(config, out, learn, check, provenance, start.state["network"] if start else None)


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
