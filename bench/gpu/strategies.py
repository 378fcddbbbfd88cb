"""Runs training steps of the compact network with every strategy on the GPU: finite, and how long a step takes.

    python -m bench.gpu.strategies [--dry-run]

--dry-run: one step of two windows on the CPU. Windows are random: only the computation matters here.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from bench.gpu.report import Report, seconds
from edge.core.spec import SST_BINS, SST_COLUMNS
from train.model import NETWORKS
from train.strategies import STRATEGIES, GradientStrategy
from train.training.backward import MultiTaskBackward
from train.training.batches import Batch
from train.training.config import Data, Strategy, TrainConfig, Training
from train.training.loop import TASKS, task_losses
from train.training.resumable import autocast, make_optimizer, make_strategy
from train.training.windows import MAX_BEATS

OPTIONS: dict[str, dict[str, Any]] = {"fixed": {"values": [1.0, 0.5, 2.0]}, "stl": {"task": 0}}


def random_batch(size: int, points: int, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    anchors = np.full((size, MAX_BEATS), np.nan, np.float32)
    anchors[:, :5] = rng.random((size, 5)) * 800
    x = rng.random((size, points, SST_BINS, SST_COLUMNS), np.float32) ** 4
    piece, cycle = rng.standard_normal((size, 200)).astype(np.float32), (60 + 200 * rng.random(size)).astype(np.float32)
    return Batch(x, piece, anchors, cycle, ["random"] * size)


class Steps:
    """Training steps with one strategy, as `train.training.loop` takes them; `losses` are the last ones."""

    def __init__(self, name: str, alignment: str, batch: Batch, device: torch.device) -> None:
        wanted = Strategy(name, OPTIONS.get(name, {}), "shared" if alignment == "parameters" else "representation")
        config = TrainConfig(Data("none"), Training(1, 1), "compact", 1, wanted)
        torch.manual_seed(0)
        self._network = NETWORKS["compact"]().to(device).train()
        self._batch, self._x = batch, torch.from_numpy(batch.x).to(device)
        strategy = make_strategy(config.strategy, len(TASKS))
        self._clip_norm = config.training.clip_norm
        self._optimizer = make_optimizer(config.training, list(self._network.parameters()), strategy)
        decoders = dict(zip(TASKS, self._network.decoder_parameters(), strict=True))
        self._backward = MultiTaskBackward(self._network.shared_parameters(), decoders, strategy, alignment)
        self.losses: list[float] = []

    def __call__(self) -> None:
        with autocast(self._x.device, "bf16"):
            z = self._network.encode(self._x)
            outputs = self._network.decode(z)
        losses = task_losses(outputs, self._batch)
        self._backward(losses, z)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._clip_norm)
        self._optimizer.step()
        self.losses = [loss.item() for loss in losses.values()]


def alignments_of(name: str) -> tuple[str, ...]:
    strategy = STRATEGIES[name](len(TASKS), **OPTIONS.get(name, {}))
    by_gradient = isinstance(strategy, GradientStrategy) and not strategy.tracks
    return ("parameters", "representation") if by_gradient else ("parameters",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true")
    dry, report = parser.parse_args().dry_run, Report("strategies")
    device = torch.device("cpu" if dry else "cuda")
    batch = random_batch(2, 4) if dry else random_batch(32, 16)
    synchronize = (lambda: None) if dry else torch.cuda.synchronize
    for name in STRATEGIES:
        for alignment in alignments_of(name):
            with report.guard(f"{name}, {alignment}"):
                steps = Steps(name, alignment, batch, device)
                step_s = seconds(steps, synchronize, 1 if dry else 5)
                report.add(f"{name}, {alignment}", bool(np.isfinite(steps.losses).all()), ms=round(step_s * 1e3, 2))
    report.finish()


if __name__ == "__main__":
    main()
