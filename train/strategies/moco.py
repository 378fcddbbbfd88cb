"""Multi-objective gradients with correction."""

from __future__ import annotations

import torch
from torch import Tensor

from train.strategies.base import TINY, GradientStrategy


class MoCo(GradientStrategy):
    """y_i ← y_i − β (y_i − g_i), λ ← Π(λ − γ Y Yᵀ λ), d = Yᵀ λ: averaged against the batches' noise (MoCo).

    Π projects on the simplex, β = 0.5 / √step and γ = 0.1 / √step. Fernando et al., "Mitigating Gradient Bias in
    Multi-objective Learning: A Provably Convergent Approach", ICLR 2023, algorithm 1. Two things are not in the
    algorithm: y starts at 0, and g_i is scaled to norm L_i, both as in the program that the authors shared (LibMTL has
    it); γ is only meaningful for gradients of a known norm. That program takes a softmax in place of Π.
    """

    tracks = True

    def start(self) -> dict[str, Tensor]:
        """Return the initial state: step 0, equal λ [n], no gradients."""
        equal = torch.full((self.tasks,), 1 / self.tasks, dtype=torch.float64)
        return {"step": torch.tensor(0), "mixture": equal, "gradients": torch.zeros(self.tasks, 0)}

    def track(self, rows: Tensor, losses: Tensor) -> None:
        """Replace the gradients by y."""
        self.state["step"] = self.state["step"] + 1
        rows.mul_((losses.to(rows) / rows.norm(dim=1).clamp_min(TINY))[:, None])
        held = self.state["gradients"].to(rows) if self.state["gradients"].numel() else torch.zeros_like(rows)
        self.state["gradients"] = held.lerp_(rows, 0.5 / float(self.state["step"]) ** 0.5)
        rows.copy_(held)

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return λ after its update."""
        mixture = self.state["mixture"][active]
        mixture = to_simplex(mixture - 0.1 / float(self.state["step"]) ** 0.5 * gramian @ mixture)
        self.state["mixture"] = torch.zeros(self.tasks, dtype=torch.float64).masked_scatter(active, mixture)
        return mixture


def to_simplex(point: Tensor) -> Tensor:
    """Return the nearest point [n] whose coordinates are not negative and sum to one."""
    falling = point.sort(descending=True).values
    excess = (falling.cumsum(0) - 1) / torch.arange(1, len(point) + 1)
    return (point - excess[falling > excess][-1]).clamp_min(0)
