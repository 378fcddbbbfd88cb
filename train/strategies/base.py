"""Base classes of the strategies, which compute one weight per task.

A `LossStrategy` balances the losses: one backward pass of the shared part, whatever the number of tasks. A
`GradientStrategy` balances the gradients: `train.training.backward` passes it their Gramian. Strategies compute in
float64 on the CPU. All data kept between steps is in `state`, so that an interrupted training resumes with the same
result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from edge.core.errors import InputError

TINY = 1e-12  # Lower limit of losses and norms that are divisors.


class Strategy:
    """Computes task weights [n] for each step; updated after each epoch."""

    def __init__(self, tasks: int) -> None:
        if tasks < 1:
            raise InputError(f"{type(self).__name__}: {tasks} tasks; at least one is needed")
        self.tasks = tasks
        self.state = self.start()

    def start(self) -> dict[str, Tensor]:
        """Return the state before the first step; empty for a strategy without state."""
        return {}

    def parameters(self) -> list[Tensor]:
        """Return the parameters that the optimizer trains with the network, without weight decay."""
        return []

    def end_epoch(self, mean_losses: Tensor) -> None:
        """Update the strategy by the mean losses [n] of the epoch over all ranks. Raises InputError if not finite."""
        mean_losses = mean_losses.detach().to("cpu", torch.float64, copy=True)
        if mean_losses.shape != (self.tasks,) or not mean_losses.isfinite().all():
            raise InputError(f"mean losses of the epoch {mean_losses.tolist()}; {self.tasks} finite ones are needed")
        self.epoch_ended(mean_losses)

    def epoch_ended(self, mean_losses: Tensor) -> None:
        """Update the strategy after an epoch, from the finite mean losses [n]; does nothing by default."""

    def reset(self) -> None:
        """Restore the state before the first step."""
        self.load_state_dict(self.start())

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of the state, for a checkpoint."""
        return {name: value.detach().clone() for name, value in self.state.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state from a `state_dict`. Raises InputError for the state of another strategy."""
        if state.keys() != self.state.keys():
            raise InputError(f"{type(self).__name__}: state {sorted(state)}; {sorted(self.state)} is needed")
        self.state = {name: value.detach().cpu().clone() for name, value in state.items()}


class LossStrategy(Strategy, ABC):
    """Balances the losses: the weights are the slopes dF/dL_i of a scalar F(L), so one backward pass is enough."""

    @abstractmethod
    def weights(self, losses: Tensor) -> Tensor:
        """Return the weights [n] for this step's losses [n]; both float64 on the CPU."""


class GradientStrategy(Strategy, ABC):
    """Balances the gradients of the shared parameters, from their Gramian."""

    tracks = False  # Whether `track` changes the rows; their columns must then be the same at every step.

    def track(self, rows: Tensor, losses: Tensor) -> None:
        """Change the gradients [n, m] in place before the Gramian is computed: for averages over steps."""

    def weights(self, gramian: Tensor) -> Tensor:
        """Return the weights [n] of the gradients from their Gramian G Gᵀ [n, n]; both float64 on the CPU.

        A task whose gradient is zero has weight 0; the others are balanced without it.
        """
        active = gramian.diagonal() > 0
        weights = torch.zeros_like(gramian[0])
        if active.any():
            weights[active] = self.balance(gramian[active][:, active], active)
        return weights

    @abstractmethod
    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return the weights of the `active` (bool [n]) tasks from their Gramian, whose diagonal has no zeros."""
