"""Single-task learning, the baseline: the shared layers are trained for one task only."""

from __future__ import annotations

import torch
from torch import Tensor

from edge.core.errors import InputError
from train.strategies.base import LossStrategy


class STL(LossStrategy):
    """w_i = 1 for i = `task`, else 0. The other decoders are still trained, on features that are not."""

    def __init__(self, tasks: int, task: int) -> None:
        super().__init__(tasks)
        if not 0 <= task < tasks:
            raise InputError(f"single task {task}; a number from 0 to {tasks - 1} is needed")
        self.task = task

    def weights(self, losses: Tensor) -> Tensor:
        """Return one for the task, zero for the others."""
        weights = torch.zeros_like(losses)
        weights[self.task] = 1
        return weights
