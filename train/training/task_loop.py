"""A training loop for any network of shared layers and decoders: comparators and scene understanding use it.

`train.training.loop` trains radarecg's own three tasks; this loop has no knowledge of the tasks. As there, random
numbers depend only on the seed, the epoch and the step, so that an interrupted run resumes with the same result.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from edge.core.errors import InputError
from train.training.config import TrainConfig
from train.training.distributed import choose_device
from train.training.resumable import ResumableTraining, Settings, autocast, set_rate

BatchType = TypeVar("BatchType")


class MultiTaskNetwork(nn.Module):
    """Shared layers `encoder`, and one decoder per task, which has no other input with a gradient."""

    def __init__(self, encoder: nn.Module, decoders: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder, self.decoders = encoder, nn.ModuleDict(decoders)


class TaskTrainer(ResumableTraining[TrainConfig | Settings, MultiTaskNetwork], ABC, Generic[BatchType]):
    """Trains `network` in `folder`, in one process; resumes if the folder has a checkpoint of the same settings.

    `last.pt` is written after every epoch, `best.pt` after the best if epochs have a score, `history.json` has the
    losses.
    Raises InputError for an unknown strategy, TrainingError for a folder of another run.
    """

    def __init__(
        self,
        settings: TrainConfig | Settings,
        folder: Path,
        network: MultiTaskNetwork,
        provenance: Mapping[str, object],
        label: str,
    ) -> None:
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            raise InputError(f"{label} is trained in one process; start it without torchrun")
        self._label, self.device = label, choose_device()
        network.to(self.device)
        self.tasks = list(network.decoders)
        own = {task: decoder.parameters() for task, decoder in network.decoders.items()}
        super().__init__(settings, folder, provenance, network, network.encoder.parameters(), own)

    @abstractmethod
    def draw(self, epoch: int) -> Iterable[BatchType]:
        """Yield the batches of an epoch; they depend only on the settings and the epoch."""

    @abstractmethod
    def losses(self, batch: BatchType) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the representation, and the loss of each task in the order of the decoders."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return figures of the validation part; with a `score`, the epoch of the lowest is the best."""

    def train(self) -> None:
        """Train to the last epoch, or until the score stalls (`patience`). Raises TrainingError, OSError."""
        training = self.settings.training
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[losses]}"))
        with Progress(TextColumn("{task.description}"), *columns) as progress:
            done = len(self.history) * training.steps
            bar = progress.add_task(self._label, total=training.epochs * training.steps, completed=done, losses="")
            while not self._is_finished():
                for losses in self._epoch():
                    text = " ".join(f"{task} {loss:.3f}" for task, loss in zip(self.tasks, losses, strict=True))
                    progress.update(bar, advance=1, losses=text)
                self._save_checkpoints()

    def _epoch(self) -> Iterator[list[float]]:
        epoch, training = len(self.history), self.settings.training
        torch.manual_seed(hash((self.settings.seed, epoch)) & 0x7FFFFFFF)
        self.network.train()
        total = torch.zeros(len(self.tasks), dtype=torch.float64)
        for step, batch in enumerate(self.draw(epoch)):
            set_rate(self.optimizer, training, epoch * training.steps + step)
            losses = self._step(batch, f"epoch {epoch + 1}, step {step + 1}")
            total += losses
            yield losses.tolist()
        mean = total / training.steps
        self.strategy.end_epoch(mean)
        named = {f"train_{task}": loss for task, loss in zip(self.tasks, mean.tolist(), strict=True)}
        self.network.eval()
        with torch.no_grad():
            self.history.append({"epoch": epoch + 1, **named, **self.validate()})

    def _step(self, batch: BatchType, when: str) -> Tensor:
        with autocast(self.device, self.settings.training.precision):
            representation, losses = self.losses(batch)
        return self._update(losses, representation, when)
