"""The training loop: epochs, validation, early stopping and checkpoints, in one process or several (torchrun).

All random numbers depend only on the seed, the epoch and the step, so that an interrupted run resumes from its last
epoch with the same result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.tensorboard import SummaryWriter

from edge.core.errors import InputError
from train.model import NETWORKS
from train.model.network import Network, Outputs
from train.strategies import STRATEGIES, GradientStrategy, LossStrategy, Strategy
from train.training import checkpoint
from train.training.backward import MultiTaskBackward
from train.training.batches import Batch, Batches
from train.training.config import Precision, TrainConfig, Training
from train.training.distributed import DistributedContext
from train.training.losses import anchor_loss, cycle_loss, ecg_loss

TASKS = ("ecg", "anchor", "cycle")
VALIDATION_WINDOWS = 512
MIN_RATE = 1e-3  # of the learning rate, at the start of the warm-up and at the end
NO_DECAY_BELOW = 2  # biases and normalisations have one dimension


class TrainingError(InputError):
    """The training cannot continue; the message names the step and the windows."""


class Trainer:
    """Runs a training in `folder`; resumes it if the folder holds a checkpoint of the same settings and data.

    With several processes, each normalises its own batches; the normalisation statistics are averaged every epoch.
    `start`: initial weights; random if None. `validation`: the sets that select the best epoch.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        train: Batches,
        validation: Sequence[Batches],
        provenance: Mapping[str, object],
        start: Mapping[str, Tensor] | None = None,
    ):
        self.config, self.folder, self.provenance = config, folder, provenance
        self.context = DistributedContext.from_environment()
        self._train_batches, self._validation_sets = train, validation
        torch.manual_seed(config.seed)
        self.network = NETWORKS[config.model]().to(self.context.device)
        if start is not None:
            self.network.load_state_dict(start)
        self.strategy = make_strategy(config)
        self.optimizer = make_optimizer(config.training, list(self.network.parameters()), self.strategy)
        decoders = dict(zip(TASKS, self.network.decoder_parameters(), strict=True))
        alignment = "parameters" if config.strategy.alignment == "shared" else "representation"
        self._backward = MultiTaskBackward(self.network.shared_parameters(), decoders, self.strategy, alignment)
        self.history: list[dict[str, float]] = []
        self._resume()

    def train(self) -> None:
        """Train; save `last.pt` after every epoch and `best.pt` after the best. Raises TrainingError, OSError."""
        training = self.config.training
        writer = SummaryWriter(str(self.folder)) if self.context.rank == 0 else None
        with _progress(self.context.rank) as progress:
            steps = training.epochs * training.steps
            bar = progress.add_task("epoch", total=steps, completed=len(self.history) * training.steps, losses="")
            if writer:
                progress.console.print("losses, in training / in validation:")
            while len(self.history) < training.epochs and not self._stalled():
                for losses in self._epoch():
                    progress.update(bar, advance=1, losses=" ".join(f"{loss:.3f}" for loss in losses))
                if writer:
                    self._save_epoch(writer)
                    progress.console.print(_format_epoch(self.history[-1]), highlight=False)

    def _epoch(self) -> Iterator[list[float]]:
        epoch, training = len(self.history), self.config.training
        torch.manual_seed(hash((self.config.seed, epoch, self.context.rank)) & 0x7FFFFFFF)
        self.network.train()
        if training.keep_statistics:
            for layer in self.network.modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()
        total = torch.zeros(len(TASKS), dtype=torch.float64, device=self.context.device)
        numbers = range(self.context.rank, training.steps * self.context.ranks, self.context.ranks)
        for step, batch in enumerate(self._train_batches.draw(epoch, numbers)):
            self._set_rate(epoch * training.steps + step)
            losses = self._step(batch, f"epoch {epoch + 1}, step {step + 1}")
            total += losses.to(total)
            yield losses.tolist()
        mean = total / training.steps
        if self.context.ranks > 1:
            for shared in [mean, *(b for b in self.network.buffers() if b.is_floating_point())]:
                dist.all_reduce(shared)
                shared /= self.context.ranks
        self.strategy.end_epoch(mean.cpu())
        named = dict(zip((f"train_{task}" for task in TASKS), mean.tolist(), strict=True))
        self.history.append({"epoch": epoch + 1, **named, **self.validate(self.network)})

    def _step(self, batch: Batch, when: str) -> Tensor:
        """Train on one batch; return its losses [3]."""
        x = torch.from_numpy(batch.x).to(self.context.device)
        if not x.isfinite().all():
            bad = ~x.flatten(1).isfinite().all(1).cpu()
            names = [name for name, is_bad in zip(batch.source, bad.tolist(), strict=True) if is_bad]
            raise TrainingError(f"{when}: the spectrogram of {names[0]} is not finite; check this recording")
        with autocast(self.context.device, self.config.training.precision):
            z = self.network.encode(x)
            outputs = self.network.decode(z)
        losses = task_losses(outputs, batch)
        try:
            self._backward(losses, z)
        except InputError as error:
            raise TrainingError(f"{when} ({batch.source[0]}, {batch.source[1:2]} ...): {error}") from error
        if self.config.training.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.training.clip_norm)
        self.optimizer.step()
        return torch.stack([loss.detach().double().cpu() for loss in losses.values()])

    def validate(self, network: Network) -> dict[str, float]:
        """Return losses on fixed windows of each set (0: no label), and `score`, the logarithm of their product."""
        network.eval()
        losses = [loss for batches in self._validation_sets for loss in self._mean_losses(network, batches)]
        parts = ("", *(f"{number}_" for number in range(2, len(self._validation_sets) + 1)))
        names = (f"validation_{part}{task}" for part in parts for task in TASKS)
        return {**dict(zip(names, losses, strict=True)), "score": sum(math.log(max(loss, 1e-9)) for loss in losses)}

    @torch.no_grad()
    def _mean_losses(self, network: Network, batches: Batches) -> list[float]:
        total, count = torch.zeros(len(TASKS), dtype=torch.float64), 0
        for batch in batches.sample_evenly(VALIDATION_WINDOWS):
            outputs = network(torch.from_numpy(batch.x).to(self.context.device))
            losses = torch.stack([loss.double().cpu() for loss in task_losses(outputs, batch).values()])
            total, count = total + losses * len(batch.source), count + len(batch.source)
        return [float(loss) for loss in total / count]

    def _save_epoch(self, writer: SummaryWriter) -> None:
        epoch = self.history[-1]
        for name, value in epoch.items():
            writer.add_scalar(name, value, int(epoch["epoch"]))
        (self.folder / "history.json").write_text(json.dumps(self.history, indent=1))
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "strategy": self.strategy.state_dict(),
            "history": self.history,
        }
        is_best = epoch["score"] == min(past["score"] for past in self.history)
        # If interrupted in between, the epoch is repeated.
        for name in ("best.pt", "last.pt") if is_best else ("last.pt",):
            checkpoint.save(self.folder / name, self.config, state, self.provenance)

    def _resume(self) -> None:
        path = self.folder / "last.pt"
        if not path.exists():
            return
        past = checkpoint.load_checkpoint(path)
        if past.config != self.config:
            raise TrainingError(f"{path} has other settings; choose another folder with --out, or delete it")
        if changed := [key for key, value in self.provenance.items() if past.provenance.get(key) != value]:
            raise TrainingError(
                f"{path} was trained on other data or subjects ({', '.join(changed)}): training subjects "
                "could be in the test part; choose another folder with --out"
            )
        self.network.load_state_dict(past.state["network"])
        self.optimizer.load_state_dict(past.state["optimizer"])
        self.strategy.load_state_dict(past.state["strategy"])
        self.history = past.state["history"]

    def _set_rate(self, step: int) -> None:
        training = self.config.training
        done, rise = step / (training.epochs * training.steps), training.warm_up
        share = done / rise if done < rise else 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))
        for group in self.optimizer.param_groups:
            group["lr"] = training.learning_rate * max(share, MIN_RATE)

    def _stalled(self) -> bool:
        scores = [epoch["score"] for epoch in self.history]
        return bool(scores) and len(scores) - scores.index(min(scores)) > self.config.training.patience


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context for the forward pass: bfloat16 has the range of float32, so no loss scale is needed."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def task_losses(outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
    """Return the three losses of a batch, in the order of TASKS."""
    device = outputs.ecg.device
    piece, anchors, cycle = (torch.from_numpy(x).to(device) for x in (batch.piece, batch.anchors, batch.cycle))
    return {
        "ecg": ecg_loss(outputs.ecg.float(), piece),
        "anchor": anchor_loss(outputs.anchor.float(), anchors),
        "cycle": cycle_loss(outputs.cycle.float(), cycle),
    }


def make_strategy(config: TrainConfig) -> LossStrategy | GradientStrategy:
    """Create the strategy of the settings. Raises InputError for an unknown name or parameter."""
    wanted = config.strategy
    if wanted.name not in STRATEGIES:
        raise InputError(f"strategy {wanted.name!r}; there are {', '.join(STRATEGIES)}")
    try:
        return STRATEGIES[wanted.name](tasks=len(TASKS), **wanted.parameters)
    except TypeError as error:
        raise InputError(f"strategy {wanted.name!r}: {error}") from error


def make_optimizer(
    training: Training, parameters: list[torch.nn.Parameter], strategy: Strategy
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


def _format_epoch(epoch: dict[str, float]) -> str:
    losses = (f"{task} {epoch[f'train_{task}']:.3f} / {epoch[f'validation_{task}']:.3f}" for task in TASKS)
    return f"epoch {epoch['epoch']:.0f}: {', '.join(losses)}"


def _progress(rank: int) -> Progress:
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    return Progress(*columns, disable=rank > 0)
