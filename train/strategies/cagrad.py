"""Conflict-averse gradient descent."""

from __future__ import annotations

from math import sqrt

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, minimize
from torch import Tensor

from edge.core.types import Float64
from train.strategies.base import TINY, GradientStrategy


class CAGrad(GradientStrategy):
    """The best step for the worst-off task within c ‖g_0‖ of the mean gradient g_0.

    d = g_0 + (c ‖g_0‖ / ‖g_v‖) g_v with g_v = Σ v_i g_i; v on the simplex minimises g_vᵀ g_0 + c ‖g_0‖ ‖g_v‖.
    Liu et al., "Conflict-Averse Gradient Descent for Multi-Task Learning", NeurIPS 2021, algorithm 1; c = 0.4 there.
    LibMTL takes c = 0.5 and divides d by 1 + c², which only changes the step's length.
    """

    def __init__(self, tasks: int, c: float = 0.4) -> None:
        self.c = c
        super().__init__(tasks)

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return 1/n + c ‖g_0‖ v / ‖g_v‖."""
        products: Float64 = (gramian / gramian.trace()).numpy()
        equal: Float64 = np.full(len(products), 1 / len(products))
        with_mean = products @ equal
        radius = self.c * sqrt(abs(equal @ with_mean))

        def norm(v: Float64) -> float:
            return sqrt(abs(v @ products @ v) + TINY**2)

        def objective(v: Float64) -> float:
            return float(v @ with_mean) + radius * norm(v)

        def slope(v: Float64) -> Float64:
            found: Float64 = with_mean + radius / norm(v) * (products @ v)
            return found

        simplex = LinearConstraint(np.ones((1, len(equal))), 1, 1)
        found = minimize(
            objective,
            equal,
            jac=slope,
            method="SLSQP",
            bounds=Bounds(0, 1),
            constraints=simplex,
            options={"ftol": 1e-14},
        ).x
        return torch.from_numpy(equal + radius * found / norm(found))
