"""Equal weighting: the plain sum of the losses."""

from __future__ import annotations

import torch
from torch import Tensor

from train.strategies.base import LossStrategy


class EW(LossStrategy):
    """w_i = 1 (EW)."""

    def weights(self, losses: Tensor) -> Tensor:
        """Return one for each task."""
        return torch.ones_like(losses)
