"""What every network is: shared layers to a representation, and one decoder a task."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Outputs(NamedTuple):
    """What is said of B windows, in the order of the tasks.

    ecg [B, 200]: the middle beat, R at PIECE_R of it. anchor [B, 800]: logits of an R peak at each sample of the
    window. cycle [B, 260]: logits of the middle beat's length, class c for CYCLE_MIN + c samples.
    """

    ecg: Tensor
    anchor: Tensor
    cycle: Tensor


class Network(nn.Module):
    """Spectrograms [B, P, 71, 120] in 0..1 to `Outputs`.

    The halves can be called apart, so that tasks may be balanced at the representation as well as at the parameters.
    """

    def __init__(self, encoder: nn.Module, ecg: nn.Module, anchor: nn.Module, cycle: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoders = nn.ModuleList([ecg, anchor, cycle])

    def encode(self, x: Tensor) -> Tensor:
        """Spectrograms to the representation the tasks share."""
        z: Tensor = self.encoder(x)
        return z

    def decode(self, z: Tensor) -> Outputs:
        """The representation to what each task says."""
        return Outputs(*(decoder(z) for decoder in self.decoders))

    def forward(self, x: Tensor) -> Outputs:
        """Both in a row."""
        return self.decode(self.encode(x))

    def shared_parameters(self) -> list[nn.Parameter]:
        """Those on which the tasks must agree."""
        return list(self.encoder.parameters())

    def decoder_parameters(self) -> list[list[nn.Parameter]]:
        """Each task's own, in the order of `Outputs`."""
        return [list(decoder.parameters()) for decoder in self.decoders]
