"""Aligned multi-task learning."""

from __future__ import annotations

import torch
from torch import Tensor

from train.strategies.base import GradientStrategy


def alignment(gramian: Tensor) -> Tensor:
    """Return B = σ U Λ^(−1/2) Uᵀ [n, n] of a Gramian U Λ Uᵀ within its numerical rank; σ = √(min λ).

    The rows of B G are orthogonal and have norm σ (EGA's equations 11 to 13). An eigenvalue below n ε max λ is a
    rounding error: the gradients do not span its direction.
    """
    values, vectors = torch.linalg.eigh(gramian)
    spanned = values > len(values) * torch.finfo(values.dtype).eps * values[-1]
    values, vectors = values[spanned], vectors[:, spanned]
    b: Tensor = values[0].sqrt() * (vectors * values.rsqrt()) @ vectors.T
    return b


class AlignedMTL(GradientStrategy):
    """w = B 1: the sum of the aligned gradients, which are orthogonal and have equal norms (Aligned-MTL).

    Senushkin et al., "Independent Component Alignment for Multi-Task Learning", CVPR 2023, algorithm 1. The authors'
    program, LibMTL and EGA sum the aligned gradients; TorchJD takes their mean, a step 1/n as long.
    """

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return B 1."""
        return alignment(gramian).sum(1)
