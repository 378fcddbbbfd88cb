"""The interface of all backends, and the conversion of a network's raw outputs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edge.core.errors import InputError
from edge.core.types import Float32, TaskOutputs
from edge.inference.bundle import Points, Precision


class BackendError(InputError):
    """The network cannot run on this machine or input; the message says what to install or change."""


class Predictor(Protocol):
    """Runs a network on spectrograms [B, P, 71, 120], on any backend."""

    def __call__(self, values: Float32) -> list[TaskOutputs]:
        """Return one TaskOutputs per window, in order."""


class LoadedPredictor(Predictor, Protocol):
    """A bundle's network, loaded on a backend."""

    @property
    def points(self) -> Points:
        """The number of points that it accepts."""

    @property
    def precision(self) -> Precision:
        """The precision that it computes in."""


def task_outputs(ecg: Float32, anchor: Float32, cycle: Float32) -> list[TaskOutputs]:
    """Convert outputs for B windows: keep pieces [B, 200], turn logits [B, 800] and [B, 260] into probabilities."""
    with np.errstate(invalid="ignore"):  # logits that are not finite remain so; `TaskOutputs.finite` detects them
        return [TaskOutputs(*row) for row in zip(ecg, _softmax(anchor), _softmax(cycle), strict=True)]


def _softmax(logits: Float32) -> Float32:
    """Return the probabilities of logits [B, classes]."""
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))
