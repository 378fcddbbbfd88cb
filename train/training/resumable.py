"""What the training loops share: the step of the optimizer, checkpoints after every epoch, and resuming from them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import torch
from torch import Tensor, nn

from edge.core.errors import InputError
from train.strategies import STRATEGIES, GradientStrategy, LossStrategy
from train.training import checkpoint
from train.training.backward import MultiTaskBackward
from train.training.config import Precision, Strategy, TrainConfig, Training

MIN_RATE = 1e-3  # of the learning rate, at the start of the warm-up and at the end
NO_DECAY_BELOW = 2  # biases and normalisations have one dimension


class TrainingError(InputError):
    """The training cannot continue; the message names the step and the windows."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings that the loop needs. All random numbers depend only on `seed`."""

    training: Training
    strategy: Strategy = Strategy()
    seed: int = 1


SettingsType = TypeVar("SettingsType", bound="TrainConfig | Settings")
NetworkType = TypeVar("NetworkType", bound=nn.Module)


class ResumableTraining(Generic[SettingsType, NetworkType]):
    """Training of a network in a folder; resumed if the folder has a checkpoint of the same settings and provenance.

    `last.pt` is written after every epoch, `best.pt` after that of the lowest score, `history.json` has all figures.
    `shared`: parameters that all tasks use; `own`: those of each task. Raises TrainingError for a folder of another
    run, InputError for an unknown strategy.
    """

    def __init__(
        self,
        settings: SettingsType,
        folder: Path,
        provenance: Mapping[str, object],
        network: NetworkType,
        shared: Iterable[nn.Parameter],
        own: Mapping[str, Iterable[nn.Parameter]],
    ) -> None:
        self.settings, self.folder, self.provenance, self.network = settings, folder, provenance, network
        self.strategy = make_strategy(settings.strategy, len(own))
        self.optimizer = make_optimizer(settings.training, list(network.parameters()), self.strategy)
        alignment = "parameters" if settings.strategy.alignment == "shared" else "representation"
        self._backward = MultiTaskBackward(shared, own, self.strategy, alignment)
        self.history: list[dict[str, float]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def _update(self, losses: dict[str, Tensor], representation: Tensor, when: str) -> Tensor:
        """Take a step of the optimizer; return the losses. Raises TrainingError, which names the step as `when`."""
        try:
            self._backward(losses, representation)
        except InputError as error:
            raise TrainingError(f"{when}: {error}") from error
        if limit := self.settings.training.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        self.optimizer.step()
        return torch.stack([loss.detach().double().cpu() for loss in losses.values()])

    def _is_finished(self) -> bool:
        """Return whether the last epoch was trained, or the score has not improved for `patience` epochs."""
        scores, training = [epoch["score"] for epoch in self.history if "score" in epoch], self.settings.training
        has_stalled = bool(scores) and len(scores) - scores.index(min(scores)) > training.patience
        return has_stalled or len(self.history) >= training.epochs

    def _save_checkpoints(self) -> None:
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
                f"{path} was trained on other data or subjects ({', '.join(changed)}): training subjects "
                "could be in the test part; choose another folder with --out"
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.strategy.load_state_dict(state["strategy"])
        self.history = state["history"]


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context for the forward pass: bfloat16 has the range of float32, so no loss scale is needed."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def make_strategy(wanted: Strategy, tasks: int) -> LossStrategy | GradientStrategy:
    """Create a strategy for this number of tasks. Raises InputError for an unknown name or parameter."""
    if wanted.name not in STRATEGIES:
        raise InputError(f"strategy {wanted.name!r}; there are {', '.join(STRATEGIES)}")
    try:
        return STRATEGIES[wanted.name](tasks=tasks, **wanted.parameters)
    except TypeError as error:
        raise InputError(f"strategy {wanted.name!r}: {error}") from error


def make_optimizer(
    training: Training, parameters: list[torch.nn.Parameter], strategy: LossStrategy | GradientStrategy
) -> torch.optim.Optimizer:
    """Create AdamW, or the paper's SGD; never a weight decay for the strategy's parameters."""
    decayed = [p for p in parameters if training.decay_all or p.dim() >= NO_DECAY_BELOW]
    others = [p for p in parameters if not training.decay_all and p.dim() < NO_DECAY_BELOW]
    groups = [
        {"params": decayed, "weight_decay": training.weight_decay},
        {"params": others + strategy.parameters(), "weight_decay": 0.0},
    ]
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, training.learning_rate, momentum=0.937)
    return torch.optim.AdamW(groups, training.learning_rate)


def set_rate(optimizer: torch.optim.Optimizer, training: Training, step: int) -> None:
    """Set the learning rate of a step: linear warm-up, then a cosine to zero."""
    done, rise = step / (training.epochs * training.steps), training.warm_up
    share = done / rise if done < rise else 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))
    for group in optimizer.param_groups:
        group["lr"] = training.learning_rate * max(share, MIN_RATE)
