"""The single-task baseline: the shared part serves one task alone."""

from __future__ import annotations

import torch
from torch import Tensor

from edge.core.errors import InputError
from train.strategies.base import LossStrategy


class SingleTask(LossStrategy):
    """w_i = 1 for i = `task`, else 0. The other decoders still learn, from features that were not made for them."""

    def __init__(self, tasks: int, task: int) -> None:
        super().__init__(tasks)
        if not 0 <= task < tasks:
            raise InputError(f"single task {task}; a number from 0 to {tasks - 1} is needed")
        self.task = task

    def weights(self, losses: Tensor) -> Tensor:
        """One for the task, zero for the rest."""
        weights = torch.zeros_like(losses)
        weights[self.task] = 1
        return weights
