"""Prepares a training from its settings: the data set, and the trainer on one of its folds."""

from __future__ import annotations

from pathlib import Path

import torch.distributed as dist

from edge.core.spec import RCG_RATE_HZ, SST_DEFAULT
from train.data.dataset import DataSet, load_dataset, part_of, with_windows
from train.model import POINTS
from train.simulation.simulated_set import simulate_set
from train.simulation.trial import SAMPLES
from train.training.batches import Batches
from train.training.checkpoint import Checkpoint
from train.training.config import TrainConfig, TrainConfigError
from train.training.distributed import DistributedContext
from train.training.loop import Trainer


def prepare_data(config: TrainConfig, folder: Path) -> DataSet:
    """Load the data set of the settings; simulate it first if the settings ask for it and it is incomplete.

    `folder` is that of the settings file; the data set's path is relative to it. Without augmentation, the windows'
    spectrograms are computed and cached beside the data set. Of several processes only rank 0 writes; the others wait.
    """
    path, context = folder / config.data.set, DistributedContext.from_environment()
    if context.rank:
        dist.barrier()  # wait until rank 0 has written the missing files
    elif simulated := config.data.simulate:
        samples = simulated.seconds * RCG_RATE_HZ if simulated.seconds else SAMPLES
        simulate_set(path.parent, simulated.subjects, simulated.seed, simulated.trials_per_subject, samples)
    data = load_dataset(path)
    if not config.data.augment:
        data = with_windows(data, path.with_suffix(".windows"))
    if context.ranks > 1 and not context.rank:
        dist.barrier()
    return data


def make_trainer(config: TrainConfig, data: DataSet, out: Path, start: Checkpoint | None = None) -> Trainer:
    """Return a trainer on the training and validation subjects of the settings' fold.

    Training starts from the weights of `start` if given. Raises TrainConfigError if the network needs another number of
    points.
    """
    if (needed := POINTS.get(config.model)) and needed != config.data.points:
        raise TrainConfigError(f"the network {config.model} takes {needed} points, not {config.data.points}")
    out.mkdir(parents=True, exist_ok=True)
    size, points, seed = config.training.batch, config.data.points, config.seed
    train = Batches(part_of(data, "train", config.data.fold), size, points, config.data.augment, seed, SST_DEFAULT)
    validation = Batches(part_of(data, "validation", config.data.fold), size, points, False, seed, SST_DEFAULT)
    fold = data.folds[config.data.fold]
    provenance = {
        "data": data.name,
        "train": list(fold.train),
        "validation": list(fold.validation),
        "test": list(fold.test),
        "before": start.training_subjects() if start else {},
    }
    return Trainer(config, out, train, validation, provenance, start.state["network"] if start else None)
