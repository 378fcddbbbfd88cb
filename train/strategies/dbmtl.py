"""Dual-balancing multi-task learning."""

from __future__ import annotations

import torch
from torch import Tensor

from train.strategies.base import TINY, GradientStrategy


class DBMTL(GradientStrategy):
    """y_i ← β y_i + (1 − β) ∇ log L_i, w_i = max ‖y‖ / ‖y_i‖: all tasks have the largest norm (DB-MTL).

    Lin et al., "Dual-Balancing for Multi-Task Learning", arXiv 2308.12029, algorithm 1, with a constant β = 0.9.
    The weights apply to y. For losses that are never negative.
    """

    tracks = True

    def start(self) -> dict[str, Tensor]:
        """Return the initial state: no gradients."""
        return {"gradients": torch.zeros(self.tasks, 0)}

    def track(self, rows: Tensor, losses: Tensor) -> None:
        """Replace the gradients by y."""
        rows.div_(losses.clamp_min(TINY).to(rows)[:, None])
        held = self.state["gradients"].to(rows) if self.state["gradients"].numel() else torch.zeros_like(rows)
        self.state["gradients"] = held.lerp_(rows, 0.1)
        rows.copy_(held)

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return the largest norm divided by each norm."""
        norms = gramian.diagonal().sqrt()
        return norms.max() / norms
