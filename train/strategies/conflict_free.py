"""Conflict-free inverse gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from train.strategies.base import TINY, GradientStrategy


class ConFIG(GradientStrategy):
    """Step with the same cosine to every gradient and the length of the sum of their projections on it (ConFIG).

    Liu, Chu, Thuerey, "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks", ICLR 2025,
    equation 2. With norms n and cosines C = D G Gᵀ D, D = diag(1/n), the direction is Gᵀ D C⁺ 1.
    """

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return D C⁺ 1, scaled to that length."""
        norms = gramian.diagonal().sqrt()
        cosines = gramian / norms / norms[:, None]
        direction = torch.linalg.pinv(cosines, hermitian=True).sum(1)
        squared = (direction @ cosines @ direction).clamp_min(TINY)
        length = norms @ cosines @ direction / squared
        weights: Tensor = direction / norms * length
        return weights
