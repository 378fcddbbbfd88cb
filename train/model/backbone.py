"""Shared layers of the reference network: residual, with deformable convolutions; 50 points are 50 channels.

Each stage applies a 3x3 deformable convolution (Dai et al., ICCV 2017), increases the number of channels and halves the
number of frequencies; the first two also halve the number of columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge.core.spec import SST_BINS, SST_COLUMNS

WIDTHS = (128, 256, 512, 1024)
FREQUENCIES = 6
"""Rows that remain of 71 after the four stages."""


class DeformableConv(nn.Module):
    """3x3 convolution of channels [B, C, H, W] with a learnt offset of each of the nine taps in every cell.

    Uses grid_sample, which is exported as one operator; the taps become channels of a 1x1 convolution.
    """

    grid: Tensor
    to_grid: Tensor

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.offsets = nn.Conv2d(channels, 2 * 9, 3, padding=1)
        for parameter in self.offsets.parameters():
            nn.init.zeros_(parameter)  # initially a plain convolution
        self.mix = nn.Conv2d(9 * channels, channels, 1, bias=False)
        # grid_sample requires x, y in -1..1 from the first to the last cell.
        self.register_buffer("to_grid", 2 / torch.tensor([width - 1.0, height - 1.0]), persistent=False)
        tap, row, column = torch.arange(-1.0, 2), torch.arange(float(height)), torch.arange(float(width))
        y, x, row, column = torch.meshgrid(tap, tap, row, column, indexing="ij")
        cells = torch.stack([column + x, row + y], -1).reshape(9 * height, width, 2)
        self.register_buffer("grid", cells * self.to_grid - 1, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape; values outside are 0."""
        _, channels, height, width = x.shape
        offsets = self.offsets(x).unflatten(1, (9, 2)).permute(0, 1, 3, 4, 2).reshape(-1, 9 * height, width, 2)
        taps = functional.grid_sample(x, self.grid + offsets * self.to_grid, padding_mode="zeros", align_corners=True)
        mixed: Tensor = self.mix(taps.reshape(-1, 9 * channels, height, width))
        return mixed


class Stage(nn.Module):
    """A residual deformable block, followed by downsampling to more channels."""

    def __init__(self, channels: int, out: int, height: int, width: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.block = nn.Sequential(DeformableConv(channels, height, width), nn.BatchNorm2d(channels), nn.ReLU())
        self.widen = nn.Conv2d(channels, out, (2, 1), padding=(1, 0))
        kernel = (3, 2 if stride[1] == 2 else 3)
        self.shrink = nn.Sequential(
            nn.Conv2d(out, out, kernel, stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, out, about H/2, about W/stride]."""
        y: Tensor = self.shrink(self.widen(x + self.block(x)))
        return y


class Backbone(nn.Sequential):
    """Maps spectrograms [B, points, 71, 120] to 1024 channels over 31 columns, [B, 1024, 31]."""

    def __init__(self, points: int) -> None:
        stages = []
        channels, height, width = points, SST_BINS, SST_COLUMNS
        for out, stride in zip(WIDTHS, ((2, 2), (2, 2), (2, 1), (2, 1)), strict=True):
            stages.append(Stage(channels, out, height, width, stride))
            channels, height, width = out, height // 2 + 1, width // 2 + 1 if stride[1] == 2 else width
        collapse = nn.Conv2d(channels, channels, (FREQUENCIES, 1))
        super().__init__(*stages, collapse, nn.Flatten(2))
