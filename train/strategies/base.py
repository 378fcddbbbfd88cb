"""What every strategy is: losses, and where it asks for it the tasks' Gramian, to one weight a task.

A strategy balances by the losses (`LossStrategy`; one backward pass of the shared part whatever the number of tasks)
or by the gradients (`GradientStrategy`; `train.training.backward` hands it their Gramian). It is small and lives on
the CPU in
float64. What it remembers from one step to the next is in `state`, so that a stopped training goes on as if it had
not been stopped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from edge.core.errors import InputError

TINY = 1e-12  # In place of a loss or a norm that is 0 where one is divided by it.


class Strategy:
    """Task weights [n] from step to step and epoch to epoch."""

    def __init__(self, tasks: int) -> None:
        if tasks < 1:
            raise InputError(f"{type(self).__name__}: {tasks} tasks; at least one is needed")
        self.tasks = tasks
        self.state = self.start()

    def start(self) -> dict[str, Tensor]:
        """The state before the first step; a strategy without memory has none."""
        return {}

    def parameters(self) -> list[Tensor]:
        """What the optimizer trains beside the network, best without weight decay."""
        return []

    def end_epoch(self, mean_losses: Tensor) -> None:
        """Tells the strategy the mean loss of each task [n] over the epoch that ends, over all ranks."""
        mean_losses = mean_losses.detach().to("cpu", torch.float64, copy=True)
        if mean_losses.shape != (self.tasks,) or not mean_losses.isfinite().all():
            raise InputError(f"mean losses of the epoch {mean_losses.tolist()}; {self.tasks} finite ones are needed")
        self.epoch_ended(mean_losses)

    def epoch_ended(self, mean_losses: Tensor) -> None:
        """`end_epoch` of a strategy that listens: mean losses [n], finite."""

    def reset(self) -> None:
        """Back to the state before the first step."""
        self.load_state_dict(self.start())

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of the state, for a checkpoint."""
        return {name: value.detach().clone() for name, value in self.state.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continues from a `state_dict`; InputError for one of another strategy."""
        if state.keys() != self.state.keys():
            raise InputError(f"{type(self).__name__}: state {sorted(state)}; {sorted(self.state)} is needed")
        self.state = {name: value.detach().cpu().clone() for name, value in state.items()}


class LossStrategy(Strategy, ABC):
    """Balances the losses: the weights are the slopes dF/dL_i of a scalar F(L), so one backward pass is enough."""

    @abstractmethod
    def weights(self, losses: Tensor) -> Tensor:
        """Weights [n] from this step's losses [n]; both float64 on the CPU."""


class GradientStrategy(Strategy, ABC):
    """Balances the gradients of the shared parameters, of which it sees the Gramian."""

    tracks = False  # Whether `track` changes the rows: then they must mean the same from step to step.

    def track(self, rows: Tensor, losses: Tensor) -> None:
        """Changes the gradients [n, m] in place before the Gramian is formed: for momentum over steps."""

    def weights(self, gramian: Tensor) -> Tensor:
        """Weights [n] of the gradients' rows from their Gramian G Gᵀ [n, n]; both float64 on the CPU.

        A task whose gradient is zero gets weight 0, and the others are balanced among themselves.
        """
        active = gramian.diagonal() > 0
        weights = torch.zeros_like(gramian[0])
        if active.any():
            weights[active] = self.balance(gramian[active][:, active], active)
        return weights

    @abstractmethod
    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Weights of the tasks that are `active` (bool [n]), from their Gramian: no zero on its diagonal."""
