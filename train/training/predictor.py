"""A network in torch as a `Predictor`."""

from __future__ import annotations

import torch

from edge.core.types import Float32, TaskOutputs
from edge.inference.backends.base import task_outputs
from train.model.network import Network


class TorchPredictor:
    """The network on the device it lies on, in evaluation mode; with a fixed number of points, or as many as come."""

    def __init__(self, network: Network) -> None:
        self._network = network.eval()
        self._device = next(network.parameters()).device

    @torch.no_grad()
    def __call__(self, values: Float32) -> list[TaskOutputs]:
        """Spectrograms [B, P, 71, 120] to what the network says of each."""
        outputs = self._network(torch.from_numpy(values).to(self._device))
        return task_outputs(*(output.float().cpu().numpy() for output in outputs))
