"""Networks for scenes: a shared encoder of images, and one head per task that answers for every pixel.

`resnet50` is the network of the paper's Table II: a ResNet-50 (He et al., CVPR 2016) whose last two stages are dilated
instead of strided, and a head with atrous spatial pyramid pooling (ASPP; Chen et al., arXiv 1706.05587) per task.
`small` has the same parts at a size that trains on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge.core.errors import InputError
from train.scenes.scene import CLASSES
from train.training.task_loop import MultiTaskNetwork

CHANNELS = {"segmentation": len(CLASSES), "depth": 1, "normal": 3}
"""Task -> outputs per pixel."""


def convolve(channels: int, out: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """Return a convolution that keeps the size if not strided, and its batch normalisation."""
    padding = dilation * (kernel // 2)
    return [nn.Conv2d(channels, out, kernel, stride, padding, dilation, bias=False), nn.BatchNorm2d(out)]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a residual connection; modules are named as in torchvision's weights."""

    def __init__(self, channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = convolve(channels, width, 1)
        self.conv2, self.bn2 = convolve(width, width, 3, stride, dilation)
        self.conv3, self.bn3 = convolve(width, out, 1)
        changes = stride != 1 or channels != out
        self.downsample = nn.Sequential(*convolve(channels, out, 1, stride)) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, 4 width, H / stride, W / stride]."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class DilatedResNet50(nn.Module):
    """Maps images [B, 3, H, W] to features [B, 2048, H / 8, W / 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolve(3, 64, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 3)
        self.layer2 = _stage(256, 128, 4, stride=2)
        self.layer3 = _stage(512, 256, 6, dilation=2)
        self.layer4 = _stage(1024, 512, 3, dilation=4)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        y = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        features: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(y))))
        return features

    def load_imagenet(self, path: Path) -> None:
        """Load weights in torchvision's format, without the classifier. Raises InputError."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            own = {name: values for name, values in state.items() if not name.startswith("fc.")}
            self.load_state_dict(own)
        except Exception as error:  # a damaged file can raise almost any exception
            raise InputError(f"{path}: not the weights of torchvision's ResNet-50, or a damaged file") from error


def _stage(channels: int, width: int, blocks: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Return the blocks of a stage; where a dilation replaces its stride, the first block still has half of it."""
    first = Bottleneck(channels, width, stride, max(1, dilation // 2))
    return nn.Sequential(first, *(Bottleneck(4 * width, width, 1, dilation) for _ in range(blocks - 1)))


class Pyramid(nn.Module):
    """ASPP: convolutions with several dilations, and the mean of the image, side by side."""

    def __init__(self, channels: int, width: int, rates: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [
                nn.Sequential(*convolve(channels, width, 1), nn.ReLU()),
                *(nn.Sequential(*convolve(channels, width, 3, dilation=rate), nn.ReLU()) for rate in rates),
            ]
        )
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), *convolve(channels, width, 1), nn.ReLU())
        self.project = nn.Sequential(*convolve((len(rates) + 2) * width, width, 1), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, width, H, W]."""
        whole = self.whole(x).expand(-1, -1, *x.shape[-2:])
        projected: Tensor = self.project(torch.cat([*(part(x) for part in self.parts), whole], 1))
        return projected


class Head(nn.Sequential):
    """Computes a task's outputs per cell of the features, and enlarges them `factor` times, bilinearly."""

    def __init__(self, channels: int, width: int, rates: Sequence[int], out: int, factor: int, dropout: float) -> None:
        super().__init__(
            Pyramid(channels, width, rates, dropout),
            *convolve(width, width),
            nn.ReLU(),
            nn.Conv2d(width, out, 1),
            nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False),
        )


class SmallEncoder(nn.Sequential):
    """Maps images [B, 3, H, W] to features [B, 64, H / 4, W / 4]."""

    def __init__(self) -> None:
        super().__init__(
            *convolve(3, 16, 3, 2), nn.ReLU(), *convolve(16, 32), nn.ReLU(), *convolve(32, 64, 3, 2), nn.ReLU(),
            *(Bottleneck(64, 16, 1, dilation) for dilation in (1, 2, 4, 1)),
        )  # fmt: skip


def resnet50() -> MultiTaskNetwork:
    """Create the network of Table II: 71.9 M parameters, for images whose sides are multiples of 8."""
    heads = {task: Head(2048, 256, (12, 24, 36), out, factor=8, dropout=0.5) for task, out in CHANNELS.items()}
    return MultiTaskNetwork(DilatedResNet50(), heads)


def small() -> MultiTaskNetwork:
    """Create a network for rooms of 48 x 64 pixels; in a short training, half of the features are too many to drop."""
    heads = {task: Head(64, 32, (2, 4), out, factor=4, dropout=0.1) for task, out in CHANNELS.items()}
    return MultiTaskNetwork(SmallEncoder(), heads)


NETWORKS: dict[str, Callable[[], MultiTaskNetwork]] = {"resnet50": resnet50, "small": small}
MULTIPLES = {"resnet50": 8, "small": 4}
"""Number by which both sides of an image must be divisible."""
