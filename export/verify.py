"""Two ways to run a network beside each other: what leaves torch must say the same as in torch."""

from __future__ import annotations

import numpy as np

from edge.backends.base import Predictor
from edge.bundle import Points
from edge.spec import SST_BINS, SST_COLUMNS

ANY_POINTS = (1, 9, 50)
"""What is tried of a network that takes any number."""


def largest_difference(one: Predictor, other: Predictor, points: Points, windows: int = 4) -> float:
    """The largest difference of anything they say of made-up spectrograms, probabilities and pieces alike.

    NaN where one of them says no number.
    """
    random = np.random.default_rng(0)
    differences = []
    for count in ANY_POINTS if points == "any" else (points,):
        values = random.random((windows, count, SST_BINS, SST_COLUMNS), np.float32) ** 4
        for a, b in zip(one(values), other(values), strict=True):
            differences += [np.abs(x - y).max() for x, y in ((a.ecg, b.ecg), (a.anchor, b.anchor), (a.cycle, b.cycle))]
    return float(np.max(differences))
