"""Fitted parameters of the quality assessment, written by `python -m train.fit_quality` to `fitted.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("fitted.json")


class Logistic(msgspec.Struct, frozen=True, kw_only=True):
    """Logistic regression: a weighted sum of features is the log odds."""

    weights: dict[str, float]
    offset: float

    def score(self, features: Mapping[str, float]) -> float:
        """Return the log odds."""
        return self.offset + sum(weight * features[name] for name, weight in self.weights.items())


class MovementFit(Logistic, frozen=True, kw_only=True):
    """Movement of a block, with the scores above which it is mild and extensive."""

    mild: float
    extensive: float


class SourceFit(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of a source's features, in the order of `rate_evidence.SOURCES`, and offset and slopes of its gate."""

    weights: list[float]
    offset: float
    slopes: dict[str, float]


class TrackerFit(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `rate_tracker`; the confidences needed for a valid and for a good rate.

    walk: standard deviation of the random walk of the rate's logarithm in a second; jump: probability of a jump;
    agreement: the confidence from the log odds that "motion" alone and "network" alone give to the rate.
    """

    sources: dict[str, SourceFit]
    walk: float
    jump: float
    agreement: Logistic
    needed: float
    good: float


class Fitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Contents of `fitted.json`; `made_by` is the command that wrote it."""

    made_by: str
    movement: MovementFit
    tracker: TrackerFit


QUALITY_MODEL = msgspec.json.decode(FILE.read_bytes(), type=Fitted)
