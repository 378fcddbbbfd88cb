"""Prepares a training from its settings: the data set, and the trainer on one of its folds."""

from __future__ import annotations

from pathlib import Path

from edge.core.spec import RCG_RATE_HZ, SST_DEFAULT
from edge.inference import bundle
from edge.inference.backends.onnxrt import OnnxRuntime
from train.data.dataset import DataSet, Recording, load_dataset, part_of, with_windows
from train.model import NETWORKS, POINTS
from train.simulation.simulated_set import simulate_set
from train.simulation.trial import SAMPLES
from train.training.batches import Batches
from train.training.checkpoint import Checkpoint
from train.training.clock_alignment import aligned_motion
from train.training.config import TrainConfig, TrainConfigError
from train.training.distributed import DistributedContext, choose_device, count_loader_processes
from train.training.loop import Trainer


def prepare_data(config: TrainConfig, folder: Path) -> DataSet:
    """Load the data set of the settings; simulate it first if the settings ask for it and it is incomplete.

    `folder` is that of the settings file; the data set's path is relative to it. Without augmentation, the windows'
    spectrograms are computed and cached beside the data set. Of several processes only rank 0 writes; the others wait.
    """
    path, context = folder / config.data.set, DistributedContext.from_environment()
    with context.rank_0_first():  # it writes the missing files
        if (simulated := config.data.simulate) and not context.rank:
            samples = simulated.seconds * RCG_RATE_HZ if simulated.seconds else SAMPLES
            simulate_set(path.parent, simulated.subjects, simulated.seed, simulated.trials_per_subject, samples)
        data = load_dataset(path)
        if not config.data.augment:
            data = with_windows(data, path.with_suffix(".windows"))
    return data


def prepare_motion(config: TrainConfig, folder: Path) -> DataSet | None:
    """Load the further set of the settings, if there is one; the shipped network's R peaks give each recording's lag.

    Raises InputError.
    """
    if not (about := config.data.motion):
        return None
    data = load_dataset(folder / about.set)
    if not data.folds:
        raise TrainConfigError(f"{folder / about.set}: give it a [split]: its validation subjects select the epoch")
    return aligned_motion(OnnxRuntime(bundle.load_bundle(bundle.SHIPPED)), data)


def make_trainer(
    config: TrainConfig, data: DataSet, out: Path, start: Checkpoint | None = None, motion: DataSet | None = None
) -> Trainer:
    """Return a trainer on the training and validation subjects of the settings' fold, and of `motion`'s first fold.

    Training starts from the weights of `start` if given. Raises TrainConfigError if the network needs another number of
    points.
    """
    if config.model not in NETWORKS:
        raise TrainConfigError(f"no network {config.model!r} with three tasks; there are {', '.join(NETWORKS)}")
    needed = POINTS.get(config.model)
    if needed and (config.data.vary_points or needed != config.data.points):
        raise TrainConfigError(f"the network {config.model} takes {needed} points, not {config.data.points}")
    out.mkdir(parents=True, exist_ok=True)
    size, points, seed = config.training.batch, config.data.points, config.seed
    on_gpu, augment, processes = config.data.sst == "gpu", config.data.augment, count_loader_processes(choose_device())

    fold = data.folds[config.data.fold]
    before = start.training_subjects() if start else {}
    train, validation = part_of(data, "train", config.data.fold), [part_of(data, "validation", config.data.fold)]
    more: tuple[Recording, ...] = ()
    if motion:
        more = part_of(motion, "train")
        validation.append(part_of(motion, "validation"))
        learnt = {r.trial.subject for r in (*more, *validation[1])}
        before = {**before, motion.name: sorted(learnt.union(before.get(motion.name, ())))}
    provenance: dict[str, object] = {
        "data": data.name,
        **{part: _subjects(data, part, config.data.fold) for part in ("train", "validation", "test")},
        "before": before,
    }
    if fold.by == "trial":  # a subject is then in several parts
        provenance["tested_trials"] = list(fold.test)
    share = config.data.motion.share if config.data.motion else 0.0
    learn = Batches(
        train,
        size,
        points,
        augment,
        seed,
        SST_DEFAULT,
        processes if augment else 0,
        on_gpu,
        config.data.vary_points,
        more,
        share,
    )
    check = [Batches(recordings, size, points, False, seed, SST_DEFAULT, 0, on_gpu) for recordings in validation]
    return Trainer(config, out, learn, check, provenance, start.state["network"] if start else None)


def _subjects(data: DataSet, part: str, fold: int) -> list[str]:
    return sorted({recording.trial.subject for recording in part_of(data, part, fold)})
