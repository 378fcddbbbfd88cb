"""Base class of the networks: shared layers that compute a representation, and one decoder per task."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Outputs(NamedTuple):
    """Outputs for B windows, in the order of the tasks.

    ecg [B, 200]: the middle beat, R at ECG_PIECE_R_FRACTION. anchor [B, 800]: logits of an R peak at each sample of the
    window. cycle [B, 260]: logits of the middle beat's length, class c for CYCLE_MIN + c samples.
    """

    ecg: Tensor
    anchor: Tensor
    cycle: Tensor


class Network(nn.Module):
    """Maps spectrograms [B, P, 71, 120] in 0..1 to `Outputs`.

    `encode` and `decode` can be called separately, so that tasks can be balanced at the representation.
    """

    def __init__(self, encoder: nn.Module, ecg: nn.Module, anchor: nn.Module, cycle: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoders = nn.ModuleList([ecg, anchor, cycle])

    def encode(self, x: Tensor) -> Tensor:
        """Map spectrograms to the shared representation."""
        z: Tensor = self.encoder(x)
        return z

    def decode(self, z: Tensor) -> Outputs:
        """Map the representation to the outputs of all tasks."""
        return Outputs(*(decoder(z) for decoder in self.decoders))

    def forward(self, x: Tensor) -> Outputs:
        """Encode and decode."""
        return self.decode(self.encode(x))

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that all tasks share."""
        return list(self.encoder.parameters())

    def decoder_parameters(self) -> list[list[nn.Parameter]]:
        """Return the parameters of each task's decoder, in the order of `Outputs`."""
        return [list(decoder.parameters()) for decoder in self.decoders]
