"""Trains a network from a settings file, evaluates it on subjects not used in training, and draws its reconstructions.

    python -m train --config train/presets/smoke.toml

A run has one folder. The same command resumes an interrupted run.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.inference import bundle
from train.comparators import COMPARATORS, train_comparator
from train.data.dataset import DataSet, part_of
from train.evaluation.long_ecg import Reconstructor
from train.evaluation.report import report
from train.training import checkpoint
from train.training.bundle_weights import checkpoint_from_bundle
from train.training.checkpoint import Checkpoint
from train.training.config import TrainConfig, load_train_config
from train.training.predictor import TorchPredictor
from train.training.setup import make_trainer, prepare_data, prepare_motion


def train_network(
    config: TrainConfig, data: DataSet, out: Path, start: Checkpoint | None = None, motion: DataSet | None = None
) -> Reconstructor | None:
    """Train the network of the settings and return its best epoch; None in all processes but the first."""
    if config.model in COMPARATORS:
        return train_comparator(config, data, out)
    trainer = make_trainer(config, data, out, start, motion)
    trainer.train()
    if trainer.context.rank:
        return None
    return TorchPredictor(checkpoint.load_checkpoint(out / "best.pt").network(), trainer.context.device)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train", description="Train, evaluate and plot a network.")
    parser.add_argument("--config", type=Path, required=True, metavar="TOML")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/ and the settings file's name")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="bundle whose weights are trained further")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    out = args.out or Path("runs") / args.config.stem
    try:
        config = load_train_config(args.config)
        data = prepare_data(config, args.config.parent)
        start = checkpoint_from_bundle(bundle.load_bundle(args.weights)) if args.weights else None
        predict = train_network(config, data, out, start, prepare_motion(config, args.config.parent))
        if predict is not None:
            test, name = part_of(data, "test", config.data.fold), f"{data.name}, part test, fold {config.data.fold}"
            print(json.dumps(report(predict, test, name, out, noise=False)))
    except (InputError, OSError) as error:
        print(f"train: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train: interrupted; run the same command again to resume from the last epoch in {out}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
