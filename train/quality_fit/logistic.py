"""Logistic regression, and how fitted numbers are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsFloat

import numpy as np
from scipy import optimize, special

from edge.core.types import Bool, Float64
from edge.vitals.quality_model import Logistic


def fit_logistic(names: Sequence[str], features: Float64, targets: Bool) -> Logistic:
    """Fit the probability of the targets [n] to the features [n, names], with a small ridge penalty.

    Every row has the same weight, whatever its class.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    x = np.column_stack([(features - mean) / deviation, np.ones(len(features))])
    sign = np.where(targets, 1.0, -1.0)

    def loss(w: Float64) -> tuple[float, Float64]:
        margin = sign * (x @ w)
        value = np.logaddexp(0, -margin).sum() + 0.5 * w[:-1] @ w[:-1]
        return float(value), -(x.T @ (sign * special.expit(-margin))) + np.append(w[:-1], 0)

    w = optimize.minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    weights = w[:-1] / deviation
    by_name = {name: rounded(weight) for name, weight in zip(names, weights, strict=True)}
    return Logistic(weights=by_name, offset=rounded(w[-1] - weights @ mean))


def rounded(value: SupportsFloat) -> float:
    """Return a number with the four digits that are stored."""
    return float(f"{float(value):.4g}")
