"""Procedural rooms: small ray-cast images with exact labels, depths and normals, for two cores and no download.

A room is a box with furniture made of boxes, things on it, and pictures, windows and a television on its walls. The
camera stands in it at eye height. Every scene depends only on its seed. The classes are those of NYUv2; each has its
own colours and shapes, which vary as much as they overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.core.types import Float64
from train.scenes.scene import CLASSES, UNLABELLED, Scene

HEIGHT, WIDTH = 48, 64
FOCAL = 0.75  # relative to the width: 67 degrees from left to right
UNKNOWN_FRACTION = 0.02  # of the pixels have no label, no depth or no normal, as with a real depth camera

# Class -> mean colour (R, G, B).
COLOURS = {
    "bed": (0.75, 0.3, 0.35), "books": (0.55, 0.2, 0.65), "ceiling": (0.93, 0.93, 0.9), "chair": (0.25, 0.55, 0.3),
    "floor": (0.5, 0.38, 0.28), "furniture": (0.72, 0.52, 0.3), "objects": (0.85, 0.75, 0.2),
    "picture": (0.3, 0.6, 0.7), "sofa": (0.3, 0.35, 0.65), "table": (0.55, 0.3, 0.12), "tv": (0.08, 0.08, 0.1),
    "wall": (0.8, 0.76, 0.66), "window": (0.65, 0.85, 1.0),
}  # fmt: skip
COLOUR_SPREAD = 0.07
Extent = tuple[float, float]
# Furniture -> its parts as fractions of its size (from, to) in width, height and depth; then the size's range in m.
SHAPES: dict[str, tuple[Sequence[tuple[Extent, Extent, Extent]], tuple[Extent, Extent, Extent]]] = {
    "bed": ([((0, 1), (0, 0.55), (0, 1)), ((0.1, 0.9), (0.55, 1), (0, 0.25))], ((1.2, 1.9), (0.5, 0.7), (1.8, 2.1))),
    "sofa": ([((0, 1), (0, 0.5), (0, 1)), ((0, 1), (0.5, 1), (0, 0.3))], ((1.5, 2.2), (0.8, 0.95), (0.8, 1.0))),
    "table": (
        [((0, 1), (0.9, 1), (0, 1)), *[((x, x + 0.1), (0, 0.9), (z, z + 0.1)) for x in (0, 0.9) for z in (0, 0.9)]],
        ((0.9, 1.6), (0.65, 0.8), (0.7, 1.0)),
    ),
    "chair": (
        [
            ((0, 1), (0.4, 0.48), (0, 1)),
            ((0, 1), (0.48, 1), (0, 0.12)),
            *[((x, x + 0.12), (0, 0.4), (z, z + 0.12)) for x in (0, 0.88) for z in (0, 0.88)],
        ],
        ((0.45, 0.6), (0.85, 1.0), (0.45, 0.6)),
    ),
    "furniture": ([((0, 1), (0, 1), (0, 1))], ((0.8, 1.6), (0.9, 1.9), (0.4, 0.6))),
}
CARRIED = {"books": ((0.25, 0.5), (0.15, 0.3), (0.2, 0.3)), "objects": ((0.12, 0.25), (0.2, 0.45), (0.12, 0.25))}
HUNG = {"picture": (0.5, 1.0), "tv": (0.8, 1.3), "window": (0.9, 1.6)}
"""Things on furniture, and widths of things on walls, in m."""


@dataclass(frozen=True)
class Boxes:
    """K boxes along the room's axes (x right, y up, z away): low and high corner [K, 3], class [K], colour [K, 3]."""

    low: Float64
    high: Float64
    kind: Sequence[str]
    colour: Float64


class Rooms:
    """`count` rooms; room i depends on (seed, i) only."""

    size = (HEIGHT, WIDTH)

    def __init__(self, count: int, seed: int) -> None:
        self._scenes = [draw_room(np.random.default_rng((seed, number))) for number in range(count)]

    def __len__(self) -> int:
        """Return the number of rooms."""
        return len(self._scenes)

    def __getitem__(self, number: int) -> Scene:
        """Return a room."""
        return self._scenes[number]


def draw_room(rng: np.random.Generator) -> Scene:
    """Draw a room and return what the camera in it sees."""
    size = np.array([rng.uniform(3, 5.5), rng.uniform(2.4, 2.9), rng.uniform(3, 5.5)])
    position = size * [rng.uniform(0.3, 0.7), 0, rng.uniform(0.03, 0.1)]
    position[1] = rng.uniform(1.2, 1.7)
    axes = _camera_axes(rng.uniform(-0.5, 0.5), rng.uniform(-0.05, 0.35))
    u, v = np.meshgrid((np.arange(WIDTH) + 0.5) / WIDTH - 0.5, (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / WIDTH)
    rays = np.stack([u / FOCAL, v / FOCAL, np.ones_like(u)], -1).reshape(-1, 3) @ axes  # depth 1 along the optical axis
    depth, normal, label, colour = cast(position, rays, size, furnish(size, rng), rng)
    point = position + depth[:, None] * rays
    image = _shade(point, normal, colour, size, rng)
    label[rng.random(len(label)) < UNKNOWN_FRACTION] = UNLABELLED
    depth[rng.random(len(depth)) < UNKNOWN_FRACTION] = 0
    seen = normal @ axes.T
    seen[rng.random(len(seen)) < UNKNOWN_FRACTION] = 0
    shape = HEIGHT, WIDTH
    return Scene(
        image.reshape(*shape, 3).astype(np.float32),
        label.reshape(shape),
        depth.reshape(shape).astype(np.float32),
        seen.reshape(*shape, 3).astype(np.float32),
    )


def cast(
    origin: Float64, rays: Float64, size: Float64, boxes: Boxes, rng: np.random.Generator
) -> tuple[Float64, Float64, np.ndarray[tuple[int], np.dtype[np.int64]], Float64]:
    """Return where rays [N, 3] from `origin` in a room end: depth [N], normal [N, 3], class [N], colour [N, 3].

    The room is the box from 0 to `size`, seen from inside. Its two walls, floor and ceiling have a colour each.
    """
    step = np.where(np.abs(rays) < 1e-9, 1e-9, rays)
    inverse = 1 / step.T
    low = (boxes.low - origin)[:, :, None] * inverse  # [K, 3, N]: reductions over a last axis of 3 would be slow
    high = (boxes.high - origin)[:, :, None] * inverse
    enter = np.minimum(low, high)
    first, leave = enter.max(1), np.maximum(low, high).min(1)
    first = np.where((first < leave) & (first > 0), first, np.inf)
    nearest, every = first.argmin(0), np.arange(len(rays))
    wall = np.maximum(-origin / step, (size - origin) / step)
    on_box = first[nearest, every] < wall.min(-1)
    axis = np.where(on_box, enter[nearest, :, every].argmax(-1), wall.argmin(-1))
    depth = np.where(on_box, first[nearest, every], wall.min(-1))
    direction = np.sign(step[every, axis])
    normal = np.zeros_like(rays)
    normal[every, axis] = -direction
    kinds = np.array([CLASSES.index(kind) for kind in boxes.kind])
    side = np.where(axis == 1, np.where(direction > 0, CLASSES.index("ceiling"), CLASSES.index("floor")), -1)
    label = np.where(on_box, kinds[nearest], np.where(side < 0, CLASSES.index("wall"), side))
    shell = np.array([_colour(kind, rng) for kind in ("floor", "ceiling", "wall")])
    place = np.where(axis == 1, (direction > 0).astype(int), 2)
    return depth, normal, label, np.where(on_box[:, None], boxes.colour[nearest], shell[place])


def furnish(size: Float64, rng: np.random.Generator) -> Boxes:
    """Draw the boxes in a room: three to five pieces of furniture, things on them, and things on the walls."""
    parts: list[tuple[Float64, Float64, str, Float64]] = []
    for kind in rng.choice(list(SHAPES), int(rng.integers(3, 6)), replace=False):
        shape, ranges = SHAPES[kind]
        extent = np.array([rng.uniform(*r) for r in ranges])
        back = rng.random() < 0.7 or kind == "furniture"  # most stand at the rear wall
        x = rng.uniform(0, max(0.01, size[0] - extent[0]))
        z = size[2] - extent[2] - 0.02 if back else rng.uniform(0.35, 0.8) * (size[2] - extent[2])
        corner, colour = np.array([x, 0, z]), _colour(kind, rng)
        for box in shape:
            start, end = np.array(box).T
            if back:  # backs and pillows are at the wall
                start[2], end[2] = 1 - end[2], 1 - start[2]
            parts.append((corner + start * extent, corner + end * extent, kind, colour))
        if kind in ("table", "furniture", "bed") and rng.random() < 0.8:
            thing = str(rng.choice(list(CARRIED)))
            own = np.array([rng.uniform(*r) for r in CARRIED[thing]])
            at = corner + [rng.uniform(0.1, 0.7) * extent[0], extent[1], rng.uniform(0, 0.5) * extent[2]]
            parts.append((at, at + own, thing, _colour(thing, rng)))
    for kind in rng.choice(list(HUNG), 2, replace=False):
        wide = rng.uniform(*HUNG[kind])
        middle, half = np.array([rng.uniform(0.6, size[0] - 0.6), rng.uniform(1.3, 1.8)]), wide / 2
        tall = half * rng.uniform(0.55, 0.8)
        start = np.array([middle[0] - half, middle[1] - tall, size[2] - 0.04])
        end = np.array([middle[0] + half, middle[1] + tall, size[2]])
        if kind != "tv" and rng.random() < 0.4:  # on a side wall
            start, end = start[[2, 1, 0]], end[[2, 1, 0]]
            move = -start[0] if rng.random() < 0.5 else size[0] - end[0]
            start[0], end[0] = start[0] + move, end[0] + move
        parts.append((start, end, str(kind), _colour(kind, rng)))
    low, high, kinds, colours = zip(*parts, strict=True)
    return Boxes(np.array(low), np.array(high), kinds, np.array(colours))


def _camera_axes(yaw: float, pitch: float) -> Float64:
    """Return the camera's axes right, down and forward [3, 3] in the room's, for angles in rad; pitch looks down."""
    right = np.array([np.cos(yaw), 0, -np.sin(yaw)])
    forward = np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    return np.stack([right, np.cross(right, forward), forward])


def _shade(point: Float64, normal: Float64, colour: Float64, size: Float64, rng: np.random.Generator) -> Float64:
    """Return the colours [N, 3] of points [N, 3] under a lamp below the ceiling, with noise; without shadows."""
    lamp = size * [rng.uniform(0.3, 0.7), 0.95, rng.uniform(0.3, 0.7)]
    to_lamp = lamp - point
    cosine = np.maximum((to_lamp * normal).sum(-1) / np.linalg.norm(to_lamp, axis=-1), 0)
    lit = colour * (rng.uniform(0.45, 0.65) + rng.uniform(0.35, 0.5) * cosine)[:, None]
    return np.asarray(np.clip(lit + 0.02 * rng.standard_normal(lit.shape), 0, 1))


def _colour(kind: str, rng: np.random.Generator) -> Float64:
    return np.clip(np.array(COLOURS[kind]) + COLOUR_SPREAD * rng.standard_normal(3), 0, 1)
