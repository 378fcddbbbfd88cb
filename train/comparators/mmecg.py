"""The network of MMECG (Chen et al., "Contactless Electrocardiogram Monitoring With Millimeter Wave Radar", TMC 2022).

Its parts, from section 4.2.3: convolutions along time for every point; a transformer over the points, which knows their
positions; both expanded to 4 x 640 features, multiplied, and combined over the points; dilated causal convolutions that
compute the distribution of each ECG sample over 256 mu-law classes from these features and the previous samples.
docs/comparators.md lists what the paper leaves open, and what is chosen here.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.comparators.mulaw import CLASSES
from train.training.task_loop import MultiTaskNetwork

SEGMENT = 640
"""Samples of a segment: 3.2 s."""
WIDTHS = (4, 8, 16, 32)
TOKEN = 32
HEADS, HEAD_WIDTH, FEED_FORWARD, BLOCKS = 4, 64, 128, 3
LAYERS = 9
CONTEXT = 2**LAYERS
"""Samples that the dilated convolutions see: 512."""
NEW = SEGMENT - CONTEXT
"""Samples of a segment that have all their context: 128."""
_KERNEL = 7
_WIDE = 64


def _two_convolutions(channels: int, out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a in (channels, out):
        layers += [nn.Conv1d(a, out, _KERNEL, padding=_KERNEL // 2), nn.ReLU(), nn.BatchNorm1d(out)]
    return nn.Sequential(*layers)


class Attention(nn.Module):
    """A transformer block over points: self-attention and feed-forward, each with a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(TOKEN, 3 * HEADS * HEAD_WIDTH)
        self.combine = nn.Linear(HEADS * HEAD_WIDTH, TOKEN)
        self.feed_forward = nn.Sequential(nn.Linear(TOKEN, FEED_FORWARD), nn.ReLU(), nn.Linear(FEED_FORWARD, TOKEN))
        self.norms = nn.ModuleList(nn.LayerNorm(TOKEN) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, P, TOKEN] to the same shape."""
        q, k, v = self.project(x).unflatten(-1, (3, HEADS, HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.norms[0](x + self.combine(seen))
        y: Tensor = self.norms[1](x + self.feed_forward(x))
        return y


class Encoder(nn.Module):
    """Maps RCG [B, P, 640] and positions [B, P, 3] to features [B, 4, 640]."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.temporal = nn.ModuleList(_two_convolutions(a, b) for a, b in pairwise((1, *WIDTHS)))
        self.token = nn.Linear(WIDTHS[-1] * SEGMENT // 8, TOKEN)
        self.place = nn.Linear(3, TOKEN)
        self.blocks = nn.Sequential(*(Attention() for _ in range(BLOCKS)))
        falling = WIDTHS[::-1]
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose1d(a, a, 2, 2), _two_convolutions(a, b)) for a, b in pairwise(falling)
        )
        self.last = _two_convolutions(WIDTHS[0], WIDTHS[0])
        self.spread = nn.Linear(TOKEN, WIDTHS[0] * SEGMENT)
        self.mix = nn.Linear(points, 1)

    def forward(self, rcg: Tensor, positions: Tensor) -> Tensor:
        """Return the features."""
        batch, points = rcg.shape[:2]
        y = rcg.reshape(batch * points, 1, SEGMENT)
        for number, layer in enumerate(self.temporal):
            y = layer(y)
            if number < len(self.temporal) - 1:
                y = functional.max_pool1d(y, 2)
        tokens = self.token(y.flatten(1)).view(batch, points, TOKEN) + self.place(positions)
        spatial = self.spread(self.blocks(tokens)).view(batch, points, WIDTHS[0], SEGMENT)
        for layer in self.up:
            y = layer(y)
        product = self.last(y).view_as(spatial) * spatial
        features: Tensor = self.mix(product.permute(0, 2, 3, 1))[..., 0]
        return features


class Decoder(nn.Module):
    """Maps features [B, 4, n] and the companded previous samples [B, n] to logits [B, 256, n]; causal in both.

    Without `is_autoregressive` the previous samples are ignored.
    """

    def __init__(self, is_autoregressive: bool) -> None:
        super().__init__()
        self.is_autoregressive = is_autoregressive
        self.first = nn.Conv1d(WIDTHS[0] + int(is_autoregressive), _WIDE, 1)
        self.dilated = nn.ModuleList(nn.Conv1d(_WIDE, _WIDE, 2, dilation=2**k) for k in range(LAYERS))
        self.narrow = nn.ModuleList(nn.Conv1d(_WIDE, _WIDE, 1) for _ in range(LAYERS))
        self.out = nn.Sequential(nn.ReLU(), nn.Conv1d(_WIDE, 2 * _WIDE, 1), nn.ReLU(), nn.Conv1d(2 * _WIDE, CLASSES, 1))

    def forward(self, features: Tensor, previous: Tensor) -> Tensor:
        """Return the logits."""
        inputs = torch.cat([features, previous[:, None]], 1) if self.is_autoregressive else features
        y = self.first(inputs)
        for number, (dilated, narrow) in enumerate(zip(self.dilated, self.narrow, strict=True)):
            y = y + narrow(functional.relu(dilated(functional.pad(y, (2**number, 0)))))
        logits: Tensor = self.out(y)
        return logits


def mmecg(points: int, is_autoregressive: bool) -> MultiTaskNetwork:
    """Create the network for this number of points."""
    return MultiTaskNetwork(Encoder(points), {"ecg": Decoder(is_autoregressive)})
