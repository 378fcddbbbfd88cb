"""Measures the differences between two backends: an exported network must give the same outputs as in torch."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge.core.spec import SST_BINS, SST_COLUMNS
from edge.core.types import Float32
from edge.inference.backends.base import Predictor
from edge.inference.bundle import Points

ANY_POINTS = (1, 9, 50)
"""Numbers of points to test a network with that accepts any number."""
HEADS = ("ecg", "anchor", "cycle")


def random_spectrograms(points: Points, windows: int = 4) -> list[Float32]:
    """Return random spectrograms [windows, P, 71, 120], for each P to test the network with."""
    random = np.random.default_rng(0)
    counts = ANY_POINTS if points == "any" else (points,)
    return [random.random((windows, count, SST_BINS, SST_COLUMNS), np.float32) ** 4 for count in counts]


def differences(one: Predictor, other: Predictor, batches: Iterable[Float32]) -> dict[str, float]:
    """Return the largest difference in each head's outputs (pieces, probabilities) for the batches [B, P, 71, 120].

    The difference is NaN if an output is NaN.
    """
    largest = [
        [np.abs(getattr(a, head) - getattr(b, head)).max() for head in HEADS]
        for values in batches
        for a, b in zip(one(values), other(values), strict=True)
    ]
    return dict(zip(HEADS, np.max(largest, axis=0).tolist(), strict=True))
