"""A training loop for any network of shared layers and decoders: comparators and scene understanding use it.

`train.training.loop` trains radarecg's own three tasks; this loop has no knowledge of the tasks. As there, random
numbers depend only on the seed, the epoch and the step, so that an interrupted run resumes with the same result.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from edge.core.errors import InputError
from train.strategies import STRATEGIES, GradientStrategy, LossStrategy
from train.training import checkpoint
from train.training.backward import MultiTaskBackward
from train.training.config import Strategy, TrainConfig, Training
from train.training.distributed import choose_device
from train.training.loop import TrainingError, autocast, make_optimizer

BatchType = TypeVar("BatchType")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings that the loop needs. All random numbers depend only on `seed`."""

    training: Training
    strategy: Strategy = Strategy()
    seed: int = 1


class MultiTaskNetwork(nn.Module):
    """Shared layers `encoder`, and one decoder per task, which has no other input with a gradient."""

    def __init__(self, encoder: nn.Module, decoders: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder, self.decoders = encoder, nn.ModuleDict(decoders)


class TaskTrainer(ABC, Generic[BatchType]):
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
        self.settings, self.folder, self.provenance, self._label = settings, folder, provenance, label
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            raise InputError(f"{label} is trained in one process; start it without torchrun")
        self.device = choose_device()
        self.network = network.to(self.device)
        self.tasks = list(network.decoders)
        self.strategy = make_strategy(settings.strategy, len(self.tasks))
        self.optimizer = make_optimizer(settings.training, list(network.parameters()), self.strategy)
        alignment = "parameters" if settings.strategy.alignment == "shared" else "representation"
        own = {task: decoder.parameters() for task, decoder in network.decoders.items()}
        self._backward = MultiTaskBackward(network.encoder.parameters(), own, self.strategy, alignment)
        self.history: list[dict[str, float]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

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
            while len(self.history) < training.epochs and not self._stalled():
                for losses in self._epoch():
                    text = " ".join(f"{task} {loss:.3f}" for task, loss in zip(self.tasks, losses, strict=True))
                    progress.update(bar, advance=1, losses=text)
                self._save_epoch()

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
        try:
            self._backward(losses, representation)
        except InputError as error:
            raise TrainingError(f"{when}: {error}") from error
        self.optimizer.step()
        return torch.stack([loss.detach().double().cpu() for loss in losses.values()])

    def _save_epoch(self) -> None:
        (self.folder / "history.json").write_text(json.dumps(self.history, indent=1))
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "strategy": self.strategy.state_dict(),
            "history": self.history,
        }
        scores = [epoch["score"] for epoch in self.history if "score" in epoch]
        is_best = bool(scores) and scores[-1] == min(scores)
        for name in ("best.pt", "last.pt") if is_best else ("last.pt",):  # an interrupt between repeats the epoch
            checkpoint.save(self.folder / name, self.settings, state, self.provenance)

    def _resume(self) -> None:
        path = self.folder / "last.pt"
        if not path.exists():
            return
        config, state, provenance = checkpoint.read_content(path, type(self.settings))
        if config != self.settings:
            raise TrainingError(f"{path} has other settings; choose another folder with --out, or delete it")
        if changed := [key for key, value in self.provenance.items() if provenance.get(key) != value]:
            raise TrainingError(
                f"{path} was trained with another {', '.join(changed)}; choose another folder with --out"
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.strategy.load_state_dict(state["strategy"])
        self.history = state["history"]

    def _stalled(self) -> bool:
        scores = [epoch["score"] for epoch in self.history if "score" in epoch]
        return bool(scores) and len(scores) - scores.index(min(scores)) > self.settings.training.patience


def make_strategy(wanted: Strategy, tasks: int) -> LossStrategy | GradientStrategy:
    """Create a strategy for this number of tasks. Raises InputError for an unknown name or parameter."""
    if wanted.name not in STRATEGIES:
        raise InputError(f"strategy {wanted.name!r}; there are {', '.join(STRATEGIES)}")
    try:
        return STRATEGIES[wanted.name](tasks=tasks, **wanted.parameters)
    except TypeError as error:
        raise InputError(f"strategy {wanted.name!r}: {error}") from error


def set_rate(optimizer: torch.optim.Optimizer, training: Training, step: int) -> None:
    """Set the learning rate of a step: linear warm-up, then a cosine to zero."""
    done, rise = step / (training.epochs * training.steps), training.warm_up
    share = done / rise if done < rise else 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))
    for group in optimizer.param_groups:
        group["lr"] = training.learning_rate * max(share, 1e-3)
