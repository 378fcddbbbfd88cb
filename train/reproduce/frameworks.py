"""The networks that the paper compares as wholes: each is trained, and then computes the ECG of any trial.

The folder of the networks must be on a file system that all workers share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from edge.core.types import Bool, Float64
from train.comparators import load_comparator, train_comparator
from train.data.dataset import DataSet, Recording
from train.data.trial import Trial
from train.evaluation.long_term import LongTermFigures, measure_ecg
from train.evaluation.noise_tests import add_noise
from train.evaluation.reconstruct import reconstruct
from train.reproduce.study import Study
from train.training import checkpoint
from train.training.config import Strategy, TrainConfig
from train.training.distributed import choose_device
from train.training.jobs import Result
from train.training.predictor import TorchPredictor
from train.training.setup import make_trainer

EcgOf = Callable[[Trial], tuple[Float64, Bool]]
"""Computes the ECG [n] of a trial, and where it exists [n]."""


class Framework(NamedTuple):
    """How a network is trained in a folder, or its training resumed there, and how it is loaded from it."""

    train: Callable[[TrainConfig, DataSet, Path], object]
    load: Callable[[Path], EcgOf]


def train_multi_task(config: TrainConfig, data: DataSet, folder: Path) -> None:
    """Train the network of the settings with EGA."""
    strategy = Strategy("ega", {}, config.strategy.alignment)
    make_trainer(msgspec.structs.replace(config, strategy=strategy), data, folder).train()


def load_multi_task(folder: Path) -> EcgOf:
    """Return the network's ECG as on the device."""
    predict = TorchPredictor(checkpoint.load_checkpoint(folder / "best.pt").network(), choose_device())

    def ecg_of(trial: Trial) -> tuple[Float64, Bool]:
        ours = reconstruct(predict, trial.rcg)
        return ours.ecg, ours.valid_mask

    return ecg_of


def train_whole(model: str, config: TrainConfig, data: DataSet, folder: Path) -> None:
    """Train a comparator with the same settings."""
    train_comparator(msgspec.structs.replace(config, model=model), data, folder)


def load_whole(folder: Path) -> EcgOf:
    """Return a comparator's ECG."""
    comparator = load_comparator(folder / "best.pt")

    def ecg_of(trial: Trial) -> tuple[Float64, Bool]:
        ecg = comparator.compute_ecg(trial)
        return ecg, np.ones(len(ecg), bool)

    return ecg_of


FRAMEWORKS: dict[str, Framework] = {
    "MMECG": Framework(partial(train_whole, "mmecg"), load_whole),
    "radarODE": Framework(partial(train_whole, "radarode"), load_whole),
    "radarODE-MTL": Framework(train_multi_task, load_multi_task),
}
"""Names as in the paper's tables."""


def train_networks(study: Study, folds: int) -> None:
    """Train every framework on each of the first `folds` folds, unless that is finished."""
    study.complete(
        {
            f"network-{name}-fold{fold + 1}": partial(
                _train, name, study.in_fold(fold), study.data, network_folder(study, name, fold)
            )
            for name in FRAMEWORKS
            for fold in range(folds)
        }
    )


def network_folder(study: Study, name: str, fold: int) -> Path:
    """Return the folder of a framework's network."""
    return study.networks / f"{name}-fold{fold + 1}"


def measure(name: str, folder: Path, recordings: Sequence[Recording], test: str | None = None) -> list[LongTermFigures]:
    """Measure a network's ECG of every recording, with the noise of the row `test` of `noise_tests.TESTS` if given."""
    found, ecg_of = [], FRAMEWORKS[name].load(folder)
    for recording in recordings:
        trial = add_noise(recording.trial, test) if test else recording.trial
        ecg, valid_mask = ecg_of(trial)
        found.append(measure_ecg(np.asarray(ecg, np.float64), valid_mask, trial, recording.labels))
    return found


def _train(name: str, config: TrainConfig, data: DataSet, folder: Path) -> Result:
    FRAMEWORKS[name].train(config, data, folder)
    return {"network": f"{folder.parent.name}/{folder.name}"}
