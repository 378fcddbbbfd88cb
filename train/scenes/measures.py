"""Losses of the three tasks, and the nine measures of the paper's Table II.

Pixels without a label are ignored: class UNLABELLED, depth 0, normal (0, 0, 0).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from train.scenes.scene import CLASSES, UNLABELLED, SceneBatch

WITHIN_DEG = (11.25, 22.5, 30.0)
TASKS: dict[str, tuple[str, ...]] = {
    "segmentation": ("miou", "pixel_accuracy"),
    "depth": ("absolute_error", "relative_error"),
    "normal": ("mean_deg", "median_deg", *(f"within_{angle:g}" for angle in WITHIN_DEG)),
}
"""Measures of each task; equation 16 averages them per task first."""
RISING = {"miou", "pixel_accuracy", *(f"within_{angle:g}" for angle in WITHIN_DEG)}
"""Measures of which more is better."""
TABLE_TWO_TASKS = [{name: 1 if name in RISING else -1 for name in measures} for measures in TASKS.values()]
"""The same for `train.evaluation.delta_m`."""


def scene_losses(outputs: Mapping[str, Tensor], batch: SceneBatch) -> dict[str, Tensor]:
    """Return cross-entropy, mean absolute error of the depth, and 1 - cosine of the normals; each over known pixels.

    `outputs`: segmentation [B, classes, H, W], depth [B, 1, H, W], normal [B, 3, H, W].
    """
    labelled = batch.label != UNLABELLED
    entropy = functional.cross_entropy(outputs["segmentation"], batch.label, ignore_index=UNLABELLED, reduction="sum")
    cosine = (functional.normalize(outputs["normal"], dim=1) * batch.normal).sum(1)
    return {
        "segmentation": entropy / labelled.sum().clamp(min=1),
        "depth": _mean((outputs["depth"] - batch.depth).abs(), batch.depth > 0),
        "normal": _mean(1 - cosine, batch.normal.any(1)),
    }


class Measures:
    """Collects batches of predictions; `figures` returns the nine measures over all their known pixels."""

    def __init__(self) -> None:
        self._confusion = torch.zeros(len(CLASSES), len(CLASSES), dtype=torch.int64)  # [true, predicted]
        self._depth: list[Tensor] = []
        self._angles: list[Tensor] = []

    def add(self, outputs: Mapping[str, Tensor], batch: SceneBatch) -> None:
        """Add a batch; shapes as for `scene_losses`."""
        labelled = batch.label != UNLABELLED
        pairs = len(CLASSES) * batch.label[labelled] + outputs["segmentation"].argmax(1)[labelled]
        self._confusion += torch.bincount(pairs, minlength=len(CLASSES) ** 2).view_as(self._confusion).cpu()
        known = batch.depth > 0
        error = (outputs["depth"] - batch.depth).abs()[known]
        self._depth.append(torch.stack([error, error / batch.depth[known]]).cpu())
        cosine = (functional.normalize(outputs["normal"], dim=1) * batch.normal).sum(1)[batch.normal.any(1)]
        self._angles.append(cosine.clamp(-1, 1).acos().rad2deg().cpu())

    def figures(self) -> dict[str, float]:
        """Return the measures; errors of the depth in m, all fractions from 0 to 1. NaN without a known pixel.

        A class that is neither in the labels nor in the predictions does not count in the mean IoU.
        """
        right = self._confusion.diagonal().double()
        union = self._confusion.sum(0) + self._confusion.sum(1) - self._confusion.diagonal()
        absolute, relative = torch.cat(self._depth, 1).double().mean(1).tolist()
        angles = torch.cat(self._angles).double()
        return {
            "miou": float((right / union)[union > 0].mean()),
            "pixel_accuracy": float(right.sum() / self._confusion.sum()),
            "absolute_error": absolute,
            "relative_error": relative,
            "mean_deg": float(angles.mean()),
            "median_deg": float(np.median(angles.numpy())) if len(angles) else float("nan"),
            **{f"within_{limit:g}": float((angles < limit).double().mean()) for limit in WITHIN_DEG},
        }


def _mean(values: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, values, 0).sum() / known.sum().clamp(min=1)
