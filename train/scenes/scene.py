"""The common form of all scenes, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from edge.core.types import Float32

CLASSES = (
    "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv", "wall",
    "window",
)  # fmt: skip
"""The 13 classes of NYUv2's labels 0 to 12; -1 is a pixel without a label."""
UNLABELLED = -1
SCALES = (1.0, 1.2, 1.5)
"""Enlargements of the augmentation."""


@dataclass(frozen=True)
class Scene:
    """An image [H, W, 3] in 0..1 and its labels.

    label [H, W]: class, or UNLABELLED. depth [H, W] in m along the optical axis; 0: unknown. normal [H, W, 3]: unit
    vectors in the camera's axes; (0, 0, 0): unknown.
    """

    image: Float32
    label: npt.NDArray[np.int64]
    depth: Float32
    normal: Float32


class SceneSet(Protocol):
    """Scenes by number."""

    def __len__(self) -> int:
        """Return the number of scenes."""

    def __getitem__(self, number: int) -> Scene:
        """Return a scene."""


class SceneBatch(NamedTuple):
    """Tensors of B scenes: image [B, 3, H, W], label [B, H, W], depth [B, 1, H, W], normal [B, 3, H, W]."""

    image: Tensor
    label: Tensor
    depth: Tensor
    normal: Tensor

    def to(self, device: torch.device) -> SceneBatch:
        """Return the batch on a device."""
        return SceneBatch(*(values.to(device) for values in self))


def stack(scenes: Sequence[Scene]) -> SceneBatch:
    """Return the batch of scenes of one size."""
    return SceneBatch(
        _channels_first([scene.image for scene in scenes]),
        torch.from_numpy(np.stack([scene.label for scene in scenes])),
        torch.from_numpy(np.stack([scene.depth for scene in scenes]))[:, None],
        _channels_first([scene.normal for scene in scenes]),
    )


def augment(batch: SceneBatch, rng: np.random.Generator) -> SceneBatch:
    """Enlarge a random part of every scene to the full size, and mirror every second one.

    Enlarging by s brings surfaces s times nearer; mirroring changes the sign of the normals' first component. Depths
    and normals are not interpolated, because a mean over an edge is on no surface.
    """
    height, width = batch.image.shape[-2:]
    parts = []
    for number in range(len(batch.image)):
        scale = SCALES[int(rng.integers(len(SCALES)))]
        h, w = int(height / scale), int(width / scale)
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        image, label, depth, normal = (
            values[number : number + 1, ..., top : top + h, left : left + w] for values in batch
        )
        image = functional.interpolate(image, (height, width), mode="bilinear", align_corners=True)
        label = functional.interpolate(label[:, None].float(), (height, width))[:, 0].long()
        depth, normal = (functional.interpolate(values, (height, width)) for values in (depth / scale, normal))
        if rng.random() < 0.5:
            image, label, depth, normal = (values.flip(-1) for values in (image, label, depth, normal))
            normal = normal * torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
        parts.append((image, label, depth, normal))
    return SceneBatch(*(torch.cat(values) for values in zip(*parts, strict=True)))


def _channels_first(images: Sequence[Float32]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
