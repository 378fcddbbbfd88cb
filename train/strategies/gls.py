"""Geometric loss strategy."""

from __future__ import annotations

from torch import Tensor

from train.strategies.base import TINY, LossStrategy


class GLS(LossStrategy):
    """F = (Π L_i)^(1/n), so w_i = F / (n L_i): every task's relative progress has the same weight (GLS).

    Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task
    Learning", CVPR Workshops 2019, equation 4. For losses that are never negative.
    """

    def weights(self, losses: Tensor) -> Tensor:
        """Return F / (n L_i)."""
        losses = losses.clamp_min(TINY)
        return losses.log().mean().exp() / (self.tasks * losses)
