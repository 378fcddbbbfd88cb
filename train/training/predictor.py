"""Adapts a torch network to the `Predictor` interface."""

from __future__ import annotations

import torch

from edge.core.types import Float32, TaskOutputs
from edge.inference.backends.base import task_outputs
from train.model.network import Network


class TorchPredictor:
    """Runs a network in evaluation mode: on `device`, to which it is moved, or where it is."""

    def __init__(self, network: Network, device: torch.device | None = None) -> None:
        self._network = network.eval().to(device or next(network.parameters()).device)
        self._device = next(network.parameters()).device

    @torch.no_grad()
    def __call__(self, values: Float32) -> list[TaskOutputs]:
        """Return the network's outputs for each of the spectrograms [B, P, 71, 120]."""
        outputs = self._network(torch.from_numpy(values).to(self._device))
        return task_outputs(*(output.float().cpu().numpy() for output in outputs))
