"""The training loop: epochs, validation, early stopping and checkpoints, in one process or several (torchrun).

All random numbers depend only on the seed, the epoch and the step, so that an interrupted run resumes from its last
epoch with the same result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.tensorboard import SummaryWriter

from train.model import NETWORKS
from train.model.network import Network, Outputs
from train.training.batches import Batch, Batches
from train.training.config import TrainConfig
from train.training.distributed import DistributedContext
from train.training.losses import anchor_loss, cycle_loss, ecg_loss
from train.training.resumable import ResumableTraining, TrainingError, autocast, set_rate

TASKS = ("ecg", "anchor", "cycle")
VALIDATION_WINDOWS = 512


class Trainer(ResumableTraining[TrainConfig, Network]):
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
        self.context = DistributedContext.from_environment()
        self._train_batches, self._validation_sets = train, validation
        torch.manual_seed(config.seed)
        network = NETWORKS[config.model]().to(self.context.device)
        if start is not None:
            network.load_state_dict(start)
        decoders = dict(zip(TASKS, network.decoder_parameters(), strict=True))
        super().__init__(config, folder, provenance, network, network.shared_parameters(), decoders)

    def train(self) -> None:
        """Train; save `last.pt` after every epoch and `best.pt` after the best. Raises TrainingError, OSError."""
        training = self.settings.training
        writer = SummaryWriter(str(self.folder)) if self.context.rank == 0 else None
        with _progress(self.context.rank) as progress:
            steps = training.epochs * training.steps
            bar = progress.add_task("epoch", total=steps, completed=len(self.history) * training.steps, losses="")
            if writer:
                progress.console.print("losses, in training / in validation:")
            while not self._is_finished():
                for losses in self._epoch():
                    progress.update(bar, advance=1, losses=" ".join(f"{loss:.3f}" for loss in losses))
                if writer:
                    self._save_epoch(writer)
                    progress.console.print(_format_epoch(self.history[-1]), highlight=False)

    def _epoch(self) -> Iterator[list[float]]:
        epoch, training = len(self.history), self.settings.training
        torch.manual_seed(hash((self.settings.seed, epoch, self.context.rank)) & 0x7FFFFFFF)
        self.network.train()
        if training.keep_statistics:
            for layer in self.network.modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()
        total = torch.zeros(len(TASKS), dtype=torch.float64, device=self.context.device)
        numbers = range(self.context.rank, training.steps * self.context.ranks, self.context.ranks)
        for step, batch in enumerate(self._train_batches.draw(epoch, numbers)):
            set_rate(self.optimizer, training, epoch * training.steps + step)
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
        with autocast(self.context.device, self.settings.training.precision):
            z = self.network.encode(x)
            outputs = self.network.decode(z)
        return self._update(task_losses(outputs, batch), z, f"{when} ({batch.source[0]}, {batch.source[1:2]} ...)")

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
        self._save_checkpoints()


def task_losses(outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
    """Return the three losses of a batch, in the order of TASKS."""
    device = outputs.ecg.device
    piece, anchors, cycle = (torch.from_numpy(x).to(device) for x in (batch.piece, batch.anchors, batch.cycle))
    return {
        "ecg": ecg_loss(outputs.ecg.float(), piece),
        "anchor": anchor_loss(outputs.anchor.float(), anchors),
        "cycle": cycle_loss(outputs.cycle.float(), cycle),
    }


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
