"""Our network: small enough to train on two cores, for any number of points in any order.

Every point's spectrogram passes through the same small stem, its 71 frequencies as channels over 120 columns. Attention
heads then weight the points in each column, and a 1-D U-Net processes the columns. Each decoder fits its task: the
anchors are sub-columns of the columns; the cycle's length is computed from correlations of columns at each lag; the
beat is computed from an attention-weighted mean of the columns.

Most of the computation is in plain convolutions, batch normalisation and ReLU, which can be folded and quantised.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge.core.spec import (
    CYCLE_CLASSES,
    CYCLE_MIN,
    ECG_PIECE_SAMPLES,
    RCG_RATE_HZ,
    SST_BINS,
    SST_COLUMN_RATE_HZ,
    SST_COLUMNS,
)
from train.model.network import Network

STEM = 40
HEADS = 4
LEVELS = (96, 128, 160, 160)
"""Channels at 120, 60, 30 and 15 columns."""
SILENT = -1e4
"""Score of a point without signal: weight 0, also in half precision; if all are silent, their weights are equal."""


def convolution(channels: int, out: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Return Conv1d over the columns, batch normalisation and ReLU."""
    reach = dilation * (kernel // 2)
    layer = nn.Conv1d(channels, out, kernel, stride, reach, dilation, bias=False)
    return nn.Sequential(layer, nn.BatchNorm1d(out), nn.ReLU())


class Residual(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels, channels, dilation=dilation),
            nn.Conv1d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm1d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T] to the same shape."""
        return functional.relu(x + self.body(x))


class Points(nn.Module):
    """Maps spectrograms [B, P, 71, 120] to [B, HEADS * STEM, 120] by attention over the points, for any P and order."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(SST_BINS, STEM), convolution(STEM, STEM))
        self.score = nn.Conv1d(STEM, HEADS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted means of the points' features, one per head."""
        batch, points = x.shape[:2]
        features = self.stem(x.flatten(0, 1).sqrt())  # the root raises weak lines relative to strong ones
        # A point's score depends on its features in the column and on their mean over the window.
        score = self.score(features + features.mean(-1, keepdim=True)).unflatten(0, (batch, points))
        silent = x.amax((2, 3)) == 0
        weight = score.masked_fill(silent[:, :, None, None], SILENT).softmax(1)
        views = weight.permute(0, 3, 2, 1) @ features.unflatten(0, (batch, points)).permute(0, 3, 1, 2)
        stacked: Tensor = views.flatten(2).transpose(1, 2)
        return stacked


class UNet(nn.Module):
    """Maps the views of the points to the shared representation [B, 96, 120]; receptive field: the whole window."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.start = nn.Conv1d(channels, LEVELS[0], 1)
        self.place = nn.Parameter(torch.zeros(LEVELS[0], SST_COLUMNS))
        pairs = list(pairwise(LEVELS))
        self.before = nn.ModuleList(Residual(a) for a, _ in pairs)
        self.down = nn.ModuleList(convolution(a, b, stride=2) for a, b in pairs)
        self.bottom = nn.Sequential(*(Residual(LEVELS[-1], dilation) for dilation in (1, 2, 4)))
        self.up = nn.ModuleList(nn.ConvTranspose1d(b, a, 2, 2) for a, b in pairs)
        self.after = nn.ModuleList(Residual(a) for a, _ in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the shared representation."""
        y: Tensor = functional.relu(self.start(x) + self.place)
        skips = []
        for block, down in zip(self.before, self.down, strict=True):
            skips.append(block(y))
            y = down(skips[-1])
        y = self.bottom(y)
        for block, up in zip(reversed(self.after), reversed(self.up), strict=True):
            y = block(functional.relu(up(y) + skips.pop()))
        return y


class Anchors(nn.Module):
    """Computes the logits of an R peak at each of 800 samples; three columns are twenty samples."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = convolution(LEVELS[0], 96)
        self.logits = nn.Conv1d(96, 20, 9, stride=3, padding=3)

    def forward(self, z: Tensor) -> Tensor:
        """Map [B, 96, 120] to [B, 800]."""
        logits: Tensor = self.logits(self.hidden(z)).transpose(1, 2).flatten(1)
        return logits


class Cycle(nn.Module):
    """Computes the logits of the middle beat's length from the similarity of columns at each lag of a cycle."""

    LAGS = (CYCLE_MIN + CYCLE_CLASSES) * SST_COLUMN_RATE_HZ // RCG_RATE_HZ + 1
    """0 to 48 columns."""

    def __init__(self, heads: int = 32) -> None:
        super().__init__()
        self.now = nn.Conv1d(LEVELS[0], heads, 1)
        self.later = nn.Conv1d(LEVELS[0], heads, 1)
        self.read = nn.Sequential(
            nn.Flatten(), nn.Linear(heads * self.LAGS, 128), nn.ReLU(), nn.Linear(128, CYCLE_CLASSES)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map [B, 96, 120] to [B, 260]."""
        now = self.now(z)[..., None] / SST_COLUMNS
        later = functional.pad(self.later(z), (0, self.LAGS - 1)).unfold(-1, SST_COLUMNS, 1)
        alike = later @ now  # [B, heads, LAGS, 1]
        logits: Tensor = self.read(alike)
        return logits


class Piece(nn.Module):
    """Computes the middle beat [B, 200]: attention heads locate it, linear layers compute its shape."""

    def __init__(self, heads: int = 4) -> None:
        super().__init__()
        self.score = nn.Conv1d(LEVELS[0], heads, 1)
        self.shape = nn.Sequential(nn.Linear(heads * LEVELS[0], 128), nn.ReLU(), nn.Linear(128, ECG_PIECE_SAMPLES))

    def forward(self, z: Tensor) -> Tensor:
        """Map [B, 96, 120] to [B, 200]."""
        seen = self.score(z).softmax(-1) @ z.transpose(1, 2)
        piece: Tensor = self.shape(seen.flatten(1))
        return piece


def compact() -> Network:
    """Create the network: 1.8 M parameters, 139 MMAC per window of 50 points, any number of points."""
    return Network(nn.Sequential(Points(), UNet(HEADS * STEM)), Piece(), Anchors(), Cycle())
