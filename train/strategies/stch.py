"""Smooth Tchebycheff scalarization, of the losses' logarithms."""

from __future__ import annotations

import torch
from torch import Tensor

from train.strategies.base import TINY, LossStrategy


class STCH(LossStrategy):
    """F = n μ log Σ exp(log(L_i / L_i(t_warm)) / μ): a smooth maximum over the tasks (STCH).

    Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", ICML 2024, equation 10, on the
    logarithms of the losses as the authors do for many tasks: until epoch `t_warm` (the first is 1) has ended,
    F = Σ log L_i; its mean losses are the scale from then on. LibMTL counts from 0, so its warm-up is one epoch longer.
    For losses that are never negative.
    """

    def __init__(self, tasks: int, mu: float = 1.0, t_warm: int = 4) -> None:
        self.mu, self.t_warm = mu, t_warm
        super().__init__(tasks)

    def start(self) -> dict[str, Tensor]:
        """Return the initial state: epoch 0; the scale [n] is NaN until epoch `t_warm` has ended."""
        return {"epoch": torch.tensor(0), "scale": torch.full((self.tasks,), torch.nan, dtype=torch.float64)}

    def weights(self, losses: Tensor) -> Tensor:
        """Return dF/dL_i: 1 / L_i until epoch `t_warm` has ended, then n softmax(log(L / scale) / μ)_i / L_i."""
        losses = losses.clamp_min(TINY)
        if self.state["epoch"] < self.t_warm:
            return 1 / losses
        return self.tasks * torch.softmax((losses / self.state["scale"]).log() / self.mu, 0) / losses

    def epoch_ended(self, mean_losses: Tensor) -> None:
        """Count the epochs, and store the mean losses of epoch `t_warm` as the scale."""
        self.state["epoch"] = self.state["epoch"] + 1
        if self.state["epoch"] == self.t_warm:
            self.state["scale"] = mean_losses.clamp_min(TINY)
