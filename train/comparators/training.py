"""Trains the comparators with the settings and data of all trainings, and loads them from their checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from edge.core.spec import SST_DEFAULT
from train.comparators.generate import MmecgEcg
from train.comparators.long_term import RadarOdeEcg, make_reference
from train.comparators.mmecg import NEW, SEGMENT, mmecg
from train.comparators.mulaw import compand, encode
from train.comparators.radarode import WINDOW, generator, long_term
from train.comparators.segments import SegmentBatch, Segments, high_passed
from train.data.dataset import DataSet, Recording, part_of
from train.evaluation.long_ecg import LongEcg
from train.training import checkpoint
from train.training.batches import Batch, Batches
from train.training.config import Strategy, TrainConfig
from train.training.distributed import choose_device
from train.training.losses import ecg_loss
from train.training.task_loop import MultiTaskNetwork, TaskTrainer

VALIDATION_SEGMENTS = 512
STAGE_ONE = "generator"
"""Folder of radarODE's first stage in that of the run."""


class SegmentTrainer(TaskTrainer[SegmentBatch]):
    """Trains a network on segments of RCG and ECG."""

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        network: MultiTaskNetwork,
        segments: tuple[Segments, Segments],
        provenance: Mapping[str, object],
    ) -> None:
        self._train_segments, self._validation_segments = segments
        super().__init__(config, out, network, provenance, config.model)

    def draw(self, epoch: int) -> Iterator[SegmentBatch]:
        """Yield batches of random segments."""
        for step in range(self.settings.training.steps):
            rng = np.random.default_rng((self.settings.seed, epoch, step))
            yield self._train_segments.draw(rng, self.settings.training.batch)

    def validate(self) -> dict[str, float]:
        """Return the loss of evenly chosen segments of the validation part."""
        total, count = 0.0, 0
        for batch in self._validation_segments.sample_evenly(VALIDATION_SEGMENTS, self.settings.training.batch):
            total += float(self.losses(batch)[1]["ecg"]) * len(batch.ecg)
            count += len(batch.ecg)
        return {"validation_ecg": total / count, "score": total / count}


class MmecgTrainer(SegmentTrainer):
    """Trains MMECG's network: cross-entropy of samples with their whole context, given the true ones before."""

    def losses(self, batch: SegmentBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features and the cross-entropy."""
        ecg = batch.ecg.numpy()
        target = torch.from_numpy(encode(ecg)).to(self.device)
        previous = torch.from_numpy(compand(ecg)).float().to(self.device).roll(1, -1)
        previous[:, 0] = 0
        features = self.network.encoder(batch.rcg.to(self.device), batch.positions.to(self.device))
        logits = self.network.decoders["ecg"](features, previous).float()
        return features, {"ecg": functional.cross_entropy(logits[..., -NEW:], target[:, -NEW:])}


class LongTermTrainer(SegmentTrainer):
    """Trains radarODE's second network: the root mean square error of the ECG."""

    def losses(self, batch: SegmentBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features and the error."""
        features = self.network.encoder(batch.rcg.to(self.device), batch.reference.to(self.device))
        ecg = self.network.decoders["ecg"](features).float()
        return features, {"ecg": ecg_loss(ecg, batch.ecg.to(self.device))}


class GeneratorTrainer(TaskTrainer[Batch]):
    """Trains radarODE's generator on the windows of the three-task networks: error of the middle cycle's ECG."""

    def __init__(
        self, config: TrainConfig, out: Path, batches: tuple[Batches, Batches], provenance: Mapping[str, object]
    ) -> None:
        self._train_batches, self._validation_batches = batches
        super().__init__(config, out, generator(config.data.points), provenance, STAGE_ONE)

    def draw(self, epoch: int) -> Iterator[Batch]:
        """Yield batches of random windows."""
        return self._train_batches.draw(epoch, range(self.settings.training.steps))

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features and the error."""
        features = self.network.encoder(torch.from_numpy(batch.x).to(self.device))
        piece = self.network.decoders["ecg"](features).float()
        return features, {"ecg": ecg_loss(piece, torch.from_numpy(batch.piece).to(self.device))}

    def validate(self) -> dict[str, float]:
        """Return the error on evenly chosen windows of the validation part."""
        total, count = 0.0, 0
        for batch in self._validation_batches.sample_evenly(VALIDATION_SEGMENTS):
            total += float(self.losses(batch)[1]["ecg"]) * len(batch.piece)
            count += len(batch.piece)
        return {"validation_ecg": total / count, "score": total / count}


def train_comparator(config: TrainConfig, data: DataSet, out: Path) -> LongEcg:
    """Train the comparator of the settings in `out`, or resume it, and return the best network. Raises InputError."""
    config = msgspec.structs.replace(config, strategy=Strategy("ew"))  # there is one task
    fold = config.data.fold
    parts = part_of(data, "train", fold), part_of(data, "validation", fold)
    subjects = {name: list(getattr(data.folds[fold], name)) for name in ("train", "validation", "test")}
    torch.manual_seed(config.seed)
    _TRAIN[config.model](config, parts, out, {"data": data.name, **subjects})
    return load_comparator(out / "best.pt")


def load_comparator(path: Path) -> LongEcg:
    """Load the comparator of a checkpoint. Raises CheckpointError, FileNotFoundError."""
    config, state, _ = checkpoint.read_content(path, TrainConfig)
    points, device = config.data.points, choose_device()
    network = _NETWORKS[config.model](points)
    network.load_state_dict(state["network"])
    if config.model != "radarode":
        return MmecgEcg(network, points, device)
    return RadarOdeEcg(_load_generator(path.parent), network, points, device)


def is_comparator(path: Path) -> bool:
    """Return whether the checkpoint's network is a comparator. Raises CheckpointError, FileNotFoundError."""
    return checkpoint.read_content(path, TrainConfig)[0].model in COMPARATORS


def _train_mmecg(
    config: TrainConfig, parts: tuple[tuple[Recording, ...], ...], out: Path, provenance: Mapping[str, object]
) -> None:
    points, augment = config.data.points, config.data.augment
    segments = Segments(parts[0], SEGMENT, points, augment), Segments(parts[1], SEGMENT, points, False)
    MmecgTrainer(config, out, _NETWORKS[config.model](points), segments, provenance).train()


def _train_radarode(
    config: TrainConfig, parts: tuple[tuple[Recording, ...], ...], out: Path, provenance: Mapping[str, object]
) -> None:
    points, augment, size = config.data.points, config.data.augment, config.training.batch
    batches = (
        Batches(parts[0], size, points, augment, config.seed, SST_DEFAULT),
        Batches(parts[1], size, points, False, config.seed, SST_DEFAULT),
    )
    GeneratorTrainer(config, out / STAGE_ONE, batches, provenance).train()
    single = _load_generator(out)
    references = [
        [make_reference(single, high_passed(r.trial, points), choose_device()) for r in track(part, "single cycles")]
        for part in parts
    ]
    segments = (
        Segments(parts[0], WINDOW, points, augment, references[0]),
        Segments(parts[1], WINDOW, points, False, references[1]),
    )
    LongTermTrainer(config, out, long_term(points), segments, provenance).train()


def _load_generator(folder: Path) -> MultiTaskNetwork:
    config, state, _ = checkpoint.read_content(folder / STAGE_ONE / "best.pt", TrainConfig)
    network = generator(config.data.points)
    network.load_state_dict(state["network"])
    return network.eval().to(choose_device())


_NETWORKS: dict[str, Callable[[int], MultiTaskNetwork]] = {
    "mmecg": lambda points: mmecg(points, is_autoregressive=True),
    "mmecg_direct": lambda points: mmecg(points, is_autoregressive=False),
    "radarode": long_term,
}
_TRAIN = {"mmecg": _train_mmecg, "mmecg_direct": _train_mmecg, "radarode": _train_radarode}
COMPARATORS = tuple(_NETWORKS)
"""Names of the comparators in the settings' `model`."""
