"""Delta_m, the mean change of a method's metrics relative to a baseline (radarODE-MTL equation 16).

A task is a group of metrics; the mean is over each task's metrics first, then over the tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Task = Mapping[str, int]
"""Name of a metric -> 1 if larger is better, -1 if smaller is better."""

TABLE_ONE_TASKS: Sequence[Task] = (
    {"rmse": -1, "pcc": 1},
    {"ppi_error_ms": -1},
    {"r_timing_ms": -1, "mdr": -1},
)
"""The three tasks of the paper's Table I: shape, cycle length, anchors."""
NOISE_TASKS: Sequence[Task] = ({"rmse": -1, "pcc": 1, "r_timing_ms": -1, "mdr": -1},)
"""The four metrics of the paper's Tables III and IV, whose printed Delta_m is their plain mean, without PPI."""


def delta_m(
    figures: Mapping[str, float], baseline: Mapping[str, float], tasks: Sequence[Task] = TABLE_ONE_TASKS
) -> float:
    """Return Delta_m in %; positive is better. NaN if a metric is unknown, or is 0 in the baseline.

    Args:
        figures: Metrics of the method; names that no task has are ignored.
        baseline: The same metrics of the baseline.
        tasks: Which metrics each task has, and their signs.
    """
    if not all(baseline[name] > 0 for task in tasks for name in task):
        return float("nan")
    changes = [
        [sign * (figures[name] - baseline[name]) / baseline[name] for name, sign in task.items()] for task in tasks
    ]
    return 100 * float(np.mean([np.mean(task) for task in changes]))
