"""The contract of everything that runs a network, and what its raw outputs mean."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.special import softmax

from edge.core.errors import InputError
from edge.core.types import Float32, TaskOutputs
from edge.inference.bundle import Points


class BackendError(InputError):
    """The network cannot run here, or not on this input; the message says what to install or to change."""


class Predictor(Protocol):
    """A network, wherever it runs: spectrograms [B, P, 71, 120] to what it says of each window."""

    def __call__(self, values: Float32) -> list[TaskOutputs]:
        """One TaskOutputs a window, in order."""


class LoadedPredictor(Predictor, Protocol):
    """A bundle's network, ready."""

    @property
    def points(self) -> Points:
        """How many it takes."""


def task_outputs(ecg: Float32, anchor: Float32, cycle: Float32) -> list[TaskOutputs]:
    """A network's outputs for B windows: pieces [B, 200] as they are, logits [B, 800] and [B, 260] to probabilities."""
    with np.errstate(invalid="ignore"):  # logits that are not finite stay so, and are found by `TaskOutputs.finite`
        return [TaskOutputs(*row) for row in zip(ecg, softmax(anchor, axis=-1), softmax(cycle, axis=-1), strict=True)]
