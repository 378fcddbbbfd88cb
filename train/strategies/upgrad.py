"""Unconflicting projection of gradients."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from train.strategies.base import GradientStrategy


class UPGrad(GradientStrategy):
    """d = mean over i of the projection of g_i on the cone of steps that conflict with no gradient (UPGrad).

    Quinton, Rey, "Jacobian Descent for Multi-Objective Optimization", arXiv 2406.16232, proposition 1: the projection
    of Gᵀ u is Gᵀ v, v the minimum of vᵀ G Gᵀ v over v >= u. With v = u + x that is least squares over x >= 0.
    """

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return the mean of v over all unit vectors u."""
        values, vectors = np.linalg.eigh((gramian / gramian.trace()).numpy())
        root = np.sqrt(values.clip(0))[:, None] * vectors.T
        equal = np.eye(len(values)) / len(values)
        return torch.from_numpy(sum(u + nnls(root, -root @ u)[0] for u in equal))
