"""Eccentric gradient alignment: orthogonal gradients of equal norms, weighted towards the slowest tasks."""

from __future__ import annotations

import torch
from torch import Tensor

from edge.core.errors import InputError
from train.strategies.aligned import alignment
from train.strategies.base import TINY, GradientStrategy


class EGA(GradientStrategy):
    """w = B k: the aligned gradients, each weighted by the difficulty k of its task (EGA).

    k = 1 up to and including epoch `t_warm`; then k_i = n softmax(L_i(t−1) / (T L_i(t_warm))). Epochs count from 1.
    Zhang et al., "radarODE-MTL", arXiv 2410.08656, algorithm 1, equations 11 to 15. `order="code"` is what the
    authors' program computes instead, w = k (B 1): each task's weight in the aligned sum, times its k. The two differ
    if the gradients correlate.
    """

    def __init__(self, tasks: int, temperature: float = 1.0, order: str = "paper", t_warm: int = 4) -> None:
        if order not in ("paper", "code") or not temperature > 0:
            raise InputError(f"EGA: order {order!r}, temperature {temperature}; 'paper' or 'code', above 0 is needed")
        self.temperature, self.order, self.t_warm = temperature, order, t_warm
        super().__init__(tasks)

    def start(self) -> dict[str, Tensor]:
        """Return the initial state: epoch 0, difficulties k [n] of 1."""
        ones = torch.ones(self.tasks, dtype=torch.float64)
        return {"epoch": torch.tensor(0), "warm_losses": ones * torch.nan, "difficulties": ones}

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return B k, or k (B 1) for `order="code"`."""
        b = alignment(gramian)
        k = self.state["difficulties"][active]
        return b @ k if self.order == "paper" else k * b.sum(1)

    def epoch_ended(self, mean_losses: Tensor) -> None:
        """Count the epochs; store the losses of epoch `t_warm`, and after it set the next epoch's difficulties."""
        self.state["epoch"] = self.state["epoch"] + 1
        if self.state["epoch"] == self.t_warm:
            self.state["warm_losses"] = mean_losses
        elif self.state["epoch"] > self.t_warm:
            rates = mean_losses / self.state["warm_losses"].clamp_min(TINY)
            self.state["difficulties"] = self.tasks * torch.softmax(rates / self.temperature, 0)
