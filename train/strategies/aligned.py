"""Aligned multi-task learning."""

from __future__ import annotations

from torch import Tensor
from torchjd.aggregation import AlignedMTLWeighting

from train.strategies.base import GradientStrategy


class AlignedMTL(GradientStrategy):
    """w = B 1/n, B = σ_min U Λ^(−1/2) Uᵀ of the Gramian U Λ Uᵀ: orthogonal gradients of equal norms (Aligned-MTL).

    Senushkin et al., "Independent Component Alignment for Multi-Task Learning", CVPR 2023, algorithm 1.
    """

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return B 1/n."""
        return AlignedMTLWeighting()(gramian)
