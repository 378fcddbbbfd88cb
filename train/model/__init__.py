"""The networks, by their name in the settings of a training."""

from __future__ import annotations

from collections.abc import Callable

from train.model.compact import compact
from train.model.network import Network, Outputs
from train.model.reference import POINTS as REFERENCE_POINTS
from train.model.reference import reference

__all__ = ["NETWORKS", "POINTS", "Network", "Outputs"]

NETWORKS: dict[str, Callable[[], Network]] = {"reference": reference, "compact": compact}
POINTS: dict[str, int | None] = {"reference": REFERENCE_POINTS, "compact": None}
"""Number of points that each network takes; None: any number."""
