"""Uncertainty weighting: the noise of each task is learned with the network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from train.strategies.base import LossStrategy


class UW(LossStrategy):
    """F = Σ ½ exp(−s_i) L_i + ½ s_i with trained log variances s_i = log σ_i², 0 at the start (UW).

    Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics",
    CVPR 2018, section 3; LibMTL starts at s = −0.5. The network's optimizer must train s: pass it `parameters()`.
    """

    def start(self) -> dict[str, Tensor]:
        """Return the initial state: log variances [n] of 0."""
        return {"log_variances": torch.zeros(self.tasks, dtype=torch.float64, requires_grad=True)}

    def parameters(self) -> list[Tensor]:
        """Return the log variances."""
        return [self.state["log_variances"]]

    def weights(self, losses: Tensor) -> Tensor:
        """Return ½ exp(−s); store the log variances' gradient ½ (1 − exp(−s) L) for the optimizer."""
        log_variances = self.state["log_variances"]
        precisions = torch.exp(-log_variances.detach())
        log_variances.grad = (1 - precisions * losses) / 2
        return precisions / 2

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state in place, because the optimizer holds a reference to the log variances."""
        held = self.state["log_variances"]
        super().load_state_dict(state)
        with torch.no_grad():
            held.copy_(self.state["log_variances"])
        held.grad = None
        self.state = {"log_variances": held}
