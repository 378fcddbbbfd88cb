"""Conflict-averse gradient descent."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from train.strategies.base import TINY, GradientStrategy


class ConflictAverse(GradientStrategy):
    """d = g_0 + (c ‖g_0‖ / ‖g_v‖) g_v with g_0 the mean gradient and g_v = Σ v_i g_i; v on the simplex minimises

    g_vᵀ g_0 + c ‖g_0‖ ‖g_v‖ (CAGrad): the best step for the worst-off task within c ‖g_0‖ of the mean gradient.
    Liu et al., "Conflict-Averse Gradient Descent for Multi-Task Learning", NeurIPS 2021, algorithm 1; c = 0.4 there.
    """

    def __init__(self, tasks: int, c: float = 0.4) -> None:
        self.c = c
        super().__init__(tasks)

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """1/n + c ‖g_0‖ v / ‖g_v‖."""
        products = (gramian / gramian.trace()).numpy()
        equal = np.full(len(products), 1 / len(products))
        with_mean = products @ equal
        radius = self.c * np.sqrt(max(equal @ with_mean, 0))

        def objective(v: np.ndarray) -> tuple[float, np.ndarray]:
            norm = np.sqrt(v @ products @ v + TINY**2)
            return v @ with_mean + radius * norm, with_mean + radius * (products @ v) / norm

        found = minimize(
            *(objective, equal),
            jac=True,
            method="SLSQP",
            bounds=[(0, 1)] * len(equal),
            constraints={"type": "eq", "fun": lambda v: v.sum() - 1, "jac": np.ones_like},
            options={"ftol": 1e-14},
        )
        norm = np.sqrt(max(found.x @ products @ found.x, 0))
        return torch.from_numpy(equal + radius * found.x / max(norm, TINY))
