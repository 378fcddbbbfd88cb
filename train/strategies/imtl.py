"""Impartial multi-task learning."""

from __future__ import annotations

from torch import Tensor
from torchjd.aggregation import IMTLGWeighting

from train.strategies.base import GradientStrategy


class Impartial(GradientStrategy):
    """The step Σ w_i g_i, Σ w_i = 1, whose projections on all g_i are equal: w ∝ (G Gᵀ)⁻¹ (‖g_1‖, ‖g_2‖, …) (IMTL-G).

    Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, equation 5. Its loss balance (IMTL-L) scales each
    loss, which leaves this direction as it is; decoders keep their own gradient here, so it is left out.
    """

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """The weights, which sum to one and may be negative."""
        return IMTLGWeighting()(gramian / gramian.trace())
