"""The networks that the paper compares as wholes: each is trained, and then computes the ECG of any trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from edge.core.types import Bool, Float64
from train.comparators import train_comparator
from train.data.dataset import DataSet, Recording
from train.data.trial import Trial
from train.evaluation.long_term import LongTermFigures, measure_ecg
from train.evaluation.noise_tests import add_noise
from train.evaluation.reconstruct import reconstruct
from train.training import checkpoint
from train.training.config import Strategy, TrainConfig
from train.training.distributed import choose_device
from train.training.predictor import TorchPredictor
from train.training.setup import make_trainer

EcgOf = Callable[[Trial], tuple[Float64, Bool]]
"""Computes the ECG [n] of a trial, and where it exists [n]."""


def train_multi_task(config: TrainConfig, data: DataSet, folder: Path) -> EcgOf:
    """Train the network of the settings with EGA, or resume it, and return its ECG as on the device."""
    strategy = Strategy("ega", {}, config.strategy.alignment)
    trainer = make_trainer(msgspec.structs.replace(config, strategy=strategy), data, folder)
    trainer.train()
    predict = TorchPredictor(checkpoint.load_checkpoint(folder / "best.pt").network(), choose_device())

    def ecg_of(trial: Trial) -> tuple[Float64, Bool]:
        ours = reconstruct(predict, trial.rcg)
        return ours.ecg, ours.valid_mask

    return ecg_of


def train_whole(model: str, config: TrainConfig, data: DataSet, folder: Path) -> EcgOf:
    """Train a comparator with the same settings, or resume it."""
    comparator = train_comparator(msgspec.structs.replace(config, model=model), data, folder)

    def ecg_of(trial: Trial) -> tuple[Float64, Bool]:
        ecg = comparator.compute_ecg(trial)
        return ecg, np.ones(len(ecg), bool)

    return ecg_of


FRAMEWORKS: dict[str, Callable[[TrainConfig, DataSet, Path], EcgOf]] = {
    "MMECG": partial(train_whole, "mmecg"),
    "radarODE": partial(train_whole, "radarode"),
    "radarODE-MTL": train_multi_task,
}
"""Name in the paper's tables -> how it is trained in a folder."""


def measure(ecg_of: EcgOf, recordings: Sequence[Recording], test: str | None = None) -> list[LongTermFigures]:
    """Measure the ECG of every recording, with the noise of the row `test` of `noise_tests.TESTS` if given."""
    found = []
    for recording in recordings:
        trial = add_noise(recording.trial, test) if test else recording.trial
        ecg, valid_mask = ecg_of(trial)
        found.append(measure_ecg(np.asarray(ecg, np.float64), valid_mask, trial, recording.labels))
    return found
