"""Fair resource allocation between the tasks."""

from __future__ import annotations

from torch import Tensor
from torchjd.aggregation import FairGradWeighting

from train.strategies.base import GradientStrategy


class FairGrad(GradientStrategy):
    """w > 0 with G Gᵀ w = w^(−1/α): the step that shares the decrease of the losses α-fairly (FairGrad).

    Ban, Ji, "Fair Resource Allocation in Multi-Task Learning", ICML 2024, equation 4; α = 2 as on their scenes.
    """

    def __init__(self, tasks: int, alpha: float = 2.0) -> None:
        self.alpha = alpha
        super().__init__(tasks)

    def balance(self, gramian: Tensor, active: Tensor) -> Tensor:
        """Return the root for a Gramian scaled to trace 1, scaled back: w is proportional to trace^(−α / (1 + α))."""
        trace = gramian.trace()
        return FairGradWeighting(self.alpha)(gramian / trace) / trace ** (self.alpha / (1 + self.alpha))
