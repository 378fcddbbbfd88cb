"""IMTL multi-task learning."""

from __future__ import annotations

from torch import Tensor
from torchjd.aggregation import IMTLGWeighting

from train.strategies.base import GradientStrategy


class IMTL(GradientStrategy):
    """The step Σ w_i g_i, Σ w_i = 1, whose projections on all g_i are equal: w ∝ (G Gᵀ)⁻¹ (‖g_1‖, ‖g_2‖, …) (IMTL-G).

    Liu et al., "Towards IMTL Multi-task Learning", ICLR 2021, equation 5. Its loss balance (IMTL-L) is left out:
    it scales each loss, which does not change this direction, and here decoders keep their own gradients.
    """

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return the weights, which sum to one and may be negative."""
        return IMTLGWeighting()(gramian / gramian.trace())
