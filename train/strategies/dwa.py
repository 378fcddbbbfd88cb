"""Dynamic weight average."""

from __future__ import annotations

import torch
from torch import Tensor

from train.strategies.base import TINY, LossStrategy


class DWA(LossStrategy):
    """w_i(t) = n softmax(r_i / T), r_i = L_i(t−1) / L_i(t−2); 1 during the first two epochs (DWA).

    Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, equation 7; T = 2 there.
    """

    def __init__(self, tasks: int, temperature: float = 2.0) -> None:
        self.temperature = temperature
        super().__init__(tasks)

    def start(self) -> dict[str, Tensor]:
        """Return the initial state: weights 1; `before` is NaN until the first epoch has ended."""
        ones = torch.ones(self.tasks, dtype=torch.float64)
        return {"before": ones * torch.nan, "weights": ones}

    def weights(self, losses: Tensor) -> Tensor:
        """Return the weights of this epoch."""
        return self.state["weights"].clone()

    def epoch_ended(self, mean_losses: Tensor) -> None:
        """Set the next epoch's weights from the last two epochs."""
        before = self.state["before"]
        if before.isfinite().all():
            rates = mean_losses / before.clamp_min(TINY)
            self.state["weights"] = self.tasks * torch.softmax(rates / self.temperature, 0)
        self.state["before"] = mean_losses
