"""How far two ways to run a network lie apart: what leaves torch must say the same as in torch."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge.core.spec import SST_BINS, SST_COLUMNS
from edge.core.types import Float32
from edge.inference.backends.base import Predictor
from edge.inference.bundle import Points

ANY_POINTS = (1, 9, 50)
"""What is tried of a network that takes any number."""
HEADS = ("ecg", "anchor", "cycle")


def random_spectrograms(points: Points, windows: int = 4) -> list[Float32]:
    """Spectrograms [windows, P, 71, 120] of nothing, for each P the network is tried with."""
    random = np.random.default_rng(0)
    counts = ANY_POINTS if points == "any" else (points,)
    return [random.random((windows, count, SST_BINS, SST_COLUMNS), np.float32) ** 4 for count in counts]


def differences(one: Predictor, other: Predictor, batches: Iterable[Float32]) -> dict[str, float]:
    """The largest difference of what each head says of the batches [B, P, 71, 120], probabilities and pieces alike.

    NaN where one of them says no number.
    """
    apart = [
        [np.abs(getattr(a, head) - getattr(b, head)).max() for head in HEADS]
        for values in batches
        for a, b in zip(one(values), other(values), strict=True)
    ]
    return dict(zip(HEADS, np.max(apart, axis=0).tolist(), strict=True))
