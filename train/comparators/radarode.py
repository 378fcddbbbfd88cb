"""radarODE (Zhang et al., arXiv 2408.01672): a generator of single cycles, then a network for the long-term ECG.

The generator computes the ECG of the cycle in the middle of a spectrogram; its decoder contains the differential
equation of a heartbeat. These are the shared layers and the morphological decoder of radarODE-MTL, which took them from
radarODE. The cycles of a recording, stretched to their lengths, are the reference; a second network fuses it with the
radar signal in the time domain. docs/comparators.md lists what the paper leaves open, and what is chosen here.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.model.backbone import Backbone
from train.model.decoders import Morphology
from train.training.task_loop import MultiTaskNetwork

WINDOW = 800
"""Samples of the long-term network's window: 4 s."""
EDGE = 200
"""Samples at each end of a window that are context only."""
WIDTHS = (32, 64, 128)
DILATIONS = (1, 2, 4, 8, 16)
_KERNEL = 7


def generator(points: int) -> MultiTaskNetwork:
    """Create the generator of single cycles: spectrograms [B, points, 71, 120] to ECG [B, 200]."""
    return MultiTaskNetwork(Backbone(points), {"ecg": Morphology()})


def _halving(channels: int) -> nn.Sequential:
    """Return convolutions to a WIDTHS[-1]-th of the samples: each stage halves them."""
    layers: list[nn.Module] = []
    for a, b in pairwise((channels, *WIDTHS)):
        layers += [nn.Conv1d(a, b, _KERNEL, 2, _KERNEL // 2, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers)


class Fusion(nn.Module):
    """Maps RCG [B, P, n] and the reference [B, 1, n] to features [B, 128, n / 8]; neither causal nor autoregressive."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.radar, self.reference = _halving(points), _halving(1)
        self.join = nn.Conv1d(2 * WIDTHS[-1], WIDTHS[-1], 1)
        self.dilated = nn.ModuleList(
            nn.Sequential(nn.Conv1d(WIDTHS[-1], WIDTHS[-1], 3, padding=d, dilation=d), nn.BatchNorm1d(WIDTHS[-1]))
            for d in DILATIONS
        )

    def forward(self, rcg: Tensor, reference: Tensor) -> Tensor:
        """Return the features."""
        y: Tensor = self.join(torch.cat([self.radar(rcg), self.reference(reference)], 1))
        for layer in self.dilated:
            y = functional.relu(y + layer(y))
        return y


class Waveform(nn.Sequential):
    """Maps features [B, 128, n / 8] to the ECG [B, n]."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for a, b in pairwise((*WIDTHS[::-1], WIDTHS[0])):
            layers += [nn.ConvTranspose1d(a, b, 4, 2, 1, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
        super().__init__(*layers, nn.Conv1d(WIDTHS[0], 1, _KERNEL, padding=_KERNEL // 2), nn.Flatten())


def long_term(points: int) -> MultiTaskNetwork:
    """Create the network of the long-term stage for this number of points."""
    return MultiTaskNetwork(Fusion(points), {"ecg": Waveform()})
