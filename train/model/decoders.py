"""The three decoders of the reference network: from 1024 channels over 31 columns to beat, anchors and cycle.

The layers are the authors' published ones. Their convolutions have biases also before a batch normalisation, which
removes them; here they are left out.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from train.model.ode import WAVES, HeartbeatOde

CHANNELS = 1024
_COPIES = 4
_DROPOUT = 0.5
_FLAT = 8 * 207  # features of the beat's trunk


def convolutions(*layers: tuple[int, int, int, int]) -> nn.Sequential:
    """Return Conv1d, batch normalisation and ReLU for each (channels, out, kernel, stride), with padding 1."""
    return nn.Sequential(
        *(_block(nn.Conv1d(a, b, kernel, stride, 1, bias=False), nn.BatchNorm1d(b)) for a, b, kernel, stride in layers)
    )


def _block(layer: nn.Module, norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(layer, norm, nn.ReLU())


def _estimator(*features: int, dropouts: int) -> nn.Sequential:
    """Return linear layers with dropout (the first ones only), batch normalisation and tanh."""
    layers: list[nn.Module] = []
    for number, (a, b) in enumerate(pairwise(features)):
        layers.append(nn.Linear(a, b, bias=False))
        layers += [nn.Dropout(_DROPOUT)] if number < dropouts else []
        layers += [nn.BatchNorm1d(b), nn.Tanh()]
    return nn.Sequential(*layers)


class Morphology(nn.Module):
    """Computes the beat [B, 200]: a curve of the window's features, times the ODE's beat, refined by convolutions.

    The published program has this fusion, but the version that runs returns the curve alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(  # 31 -> 95 -> 287 -> 863 columns -> 430 -> 213 -> 209 -> 207
            *(
                _block(nn.ConvTranspose1d(a, b, 5, 3, bias=False), nn.BatchNorm1d(b))
                for a, b in pairwise((CHANNELS, 512, 256, 128))
            ),
            convolutions((128, 64, 7, 2), (64, 32, 7, 2), (32, 16, 7, 1), (16, 8, 5, 1)),
        )
        self.temporal = nn.Sequential(  # 207 -> 203 -> 201 -> 200
            nn.Conv1d(8, 4, 7, padding=1), nn.Conv1d(4, 2, 5, padding=1), nn.Conv1d(2, 1, 2)
        )
        self.changes = nn.Sequential(
            nn.Flatten(),
            _estimator(_FLAT, 1024, 512, 256, 128, 64, 32, 16, dropouts=4),
            nn.Linear(16, 3 * len(WAVES)),
            nn.Tanh(),
        )
        self.ode = HeartbeatOde()
        self.fuse = nn.Sequential(  # 4 x 200 -> 1 x 99 -> 1 x 50 -> 1 x 25 -> 4 x 52 -> 10 x 106 -> 10 x 211 -> 8 x 209
            _image(nn.Conv2d(1, 16, 5, 2, padding=1, bias=False), 16),
            _image(nn.Conv2d(16, 32, 3, (1, 2), padding=1, bias=False), 32),
            _image(nn.Conv2d(32, 64, 3, (1, 2), padding=1, bias=False), 64),
            _image(nn.Conv2d(64, 64, 1, (2, 1), bias=False), 64),
            _image(nn.ConvTranspose2d(64, 32, 5, 2, padding=1, output_padding=1, bias=False), 32),
            _image(nn.ConvTranspose2d(32, 16, 5, 2, padding=1, output_padding=1, bias=False), 16),
            _image(nn.ConvTranspose2d(16, 8, 3, (1, 2), padding=1, bias=False), 8),
            _image(nn.ConvTranspose2d(8, 4, 3, padding=1, bias=False), 4),
            _image(nn.ConvTranspose2d(4, 1, 1, padding=1, bias=False), 1),
        )
        self.out = nn.Sequential(  # 8 channels of 209 -> 205 -> 203 -> 200
            nn.Conv1d(8, 4, 7, padding=1), nn.Conv1d(4, 2, 5, padding=1), nn.Conv1d(2, 1, 4), nn.Conv1d(1, 1, 1)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map [B, 1024, 31] to [B, 200]."""
        y = self.trunk(z)
        product = self.temporal(y).squeeze(1) * self.ode(self.changes(y))
        image = torch.stack([product] * _COPIES, dim=1).unsqueeze(1)
        piece: Tensor = self.out(self.fuse(image).squeeze(1)).squeeze(1)
        return piece


def _image(layer: nn.Module, channels: int) -> nn.Sequential:
    return _block(layer, nn.BatchNorm2d(channels))


def class_decoder(classes: int) -> nn.Sequential:
    """Return layers from [B, 1024, 31] to logits [B, classes]: an encoder, a decoder, a linear projection."""
    raised = [  # 16 -> 32 -> 64 -> 64 columns
        nn.ConvTranspose1d(16, 16, 5, 2, padding=2, output_padding=1, bias=False),
        nn.ConvTranspose1d(16, 32, 5, 2, padding=2, output_padding=1, bias=False),
        nn.ConvTranspose1d(32, 32, 5, 1, padding=2, bias=False),
    ]
    projection = [_block(nn.Linear(a, b, bias=False), nn.BatchNorm1d(b)) for a, b in pairwise((32 * 64, 1024, 512))]
    return nn.Sequential(
        convolutions((CHANNELS, 256, 7, 1), (256, 128, 7, 1), (128, 32, 7, 1), (32, 16, 6, 1)),  # 31 -> 16 columns
        *(_block(layer, nn.BatchNorm1d(layer.out_channels)) for layer in raised),
        nn.Flatten(),
        *projection,
        nn.Linear(512, classes),
    )
