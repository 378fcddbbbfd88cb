"""Weights tuned by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from edge.core.errors import InputError
from train.strategies.base import LossStrategy


class FixedWeights(LossStrategy):
    """w_i = the given `values`, in the order of the tasks."""

    def __init__(self, tasks: int, values: Sequence[float]) -> None:
        super().__init__(tasks)
        self.values = torch.tensor(values, dtype=torch.float64)
        if len(values) != tasks or not (self.values.isfinite() & (self.values >= 0)).all():
            raise InputError(f"fixed weights {list(values)}; {tasks} finite ones, none negative, are needed")

    def weights(self, losses: Tensor) -> Tensor:
        """Return the given values."""
        return self.values.clone()
