"""What was fitted, not chosen: the numbers behind the verdicts, as `python -m train.fit_quality` wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from scipy import special

FILE = Path(__file__).with_name("fitted.json")


class Logistic(msgspec.Struct, frozen=True, kw_only=True):
    """A weighted sum of features; its logistic function is a probability."""

    weights: dict[str, float]
    offset: float

    def score(self, features: Mapping[str, float]) -> float:
        """ln of the odds."""
        return self.offset + sum(weight * features[name] for name, weight in self.weights.items())

    def probability(self, features: Mapping[str, float]) -> float:
        """0..1; NaN where a sign is."""
        return float(special.expit(self.score(features)))


class MovementFit(Logistic, frozen=True, kw_only=True):
    """Of a block: the scores above which a movement is mild, and extensive."""

    mild: float
    extensive: float


class TrustFit(Logistic, frozen=True, kw_only=True):
    """Of a second: the probability that the network's rate is right, and how much of it is needed, and is good."""

    needed: float
    good: float


class Fitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`made_by` is the command."""

    made_by: str
    movement: MovementFit
    trust: TrustFit


QUALITY_MODEL = msgspec.json.decode(FILE.read_bytes(), type=Fitted)
