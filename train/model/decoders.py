"""The three decoders of the reference network: from 1024 channels over 31 columns to beat, anchors and cycle."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from edge.core.spec import ECG_PIECE_SAMPLES
from train.model.ode import WAVES, HeartbeatOde


def convolutions(*channels: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Return Conv1d, batch normalisation and ReLU between successive numbers of channels."""
    return nn.Sequential(
        *(
            _block(nn.Conv1d(a, b, kernel, stride, padding, bias=False), nn.BatchNorm1d(b))
            for a, b in pairwise(channels)
        )
    )


def transposed(*channels: int) -> nn.Sequential:
    """Return the same with transposed convolutions, each from n columns to 3 n + 2."""
    return nn.Sequential(
        *(_block(nn.ConvTranspose1d(a, b, 5, 3, bias=False), nn.BatchNorm1d(b)) for a, b in pairwise(channels))
    )


def dense(*features: int) -> nn.Sequential:
    """Return linear layers with batch normalisation and ReLU."""
    return nn.Sequential(*(_block(nn.Linear(a, b, bias=False), nn.BatchNorm1d(b)) for a, b in pairwise(features)))


def _block(layer: nn.Module, norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(layer, norm, nn.ReLU())


class Morphology(nn.Module):
    """Computes the beat [B, 200] from the output of the ODE and from the window's features.

    The outer product of both is an image; a small convolutional encoder and decoder computes the beat from it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(  # 31 -> 863 -> 430 -> 213 -> 210 -> 207
            transposed(1024, 512, 256, 128),
            convolutions(128, 64, 32, kernel=5, stride=2),
            convolutions(32, 16, 8, kernel=4),
        )
        self.temporal = nn.Sequential(  # 207 -> 204 -> 202 -> 200
            convolutions(8, 4, kernel=4), convolutions(4, 2, kernel=3), nn.Conv1d(2, 1, 3)
        )
        self.changes = nn.Sequential(nn.Flatten(), dense(8 * 207, 1024, 512), nn.Linear(512, 3 * len(WAVES)), nn.Tanh())
        self.ode = HeartbeatOde()
        self.fuse = nn.Sequential(  # 200 x 200 -> 50 x 50 -> 1 x 50 -> 1 x 200
            _image(nn.Conv2d(1, 8, 3, 2, padding=1, bias=False), 8),
            _image(nn.Conv2d(8, 16, 3, 2, padding=1, bias=False), 16),
            _image(nn.Conv2d(16, 32, (ECG_PIECE_SAMPLES // 4, 1), bias=False), 32),
            _image(nn.ConvTranspose2d(32, 16, (1, 4), (1, 2), padding=(0, 1), bias=False), 16),
            nn.ConvTranspose2d(16, 1, (1, 4), (1, 2), padding=(0, 1)),
            nn.Flatten(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map [B, 1024, 31] to [B, 200]."""
        y = self.trunk(z)
        image = torch.matmul(self.temporal(y).transpose(1, 2), self.ode(self.changes(y))[:, None])
        piece: Tensor = self.fuse(image[:, None])
        return piece


def _image(layer: nn.Module, channels: int) -> nn.Sequential:
    return _block(layer, nn.BatchNorm2d(channels))


def class_decoder(*raised: int, classes: int) -> nn.Sequential:
    """Return layers from [B, 1024, 31] to logits [B, classes]: an encoder, a decoder with `raised` channels, linear."""
    columns = 31
    for _ in raised:
        columns = 3 * columns + 2
    return nn.Sequential(
        convolutions(1024, 256, 128, 32, 16, kernel=5, padding=2),
        transposed(16, *raised),
        nn.Flatten(),
        dense(raised[-1] * columns, 1024, 1024),
        nn.Linear(1024, classes),
    )
