"""Tests the procedural rooms: seeds, and that image, depth, normals and labels describe the same surfaces."""

import numpy as np
import pytest
import torch

from train.scenes.rooms import FOCAL, HEIGHT, UNKNOWN_FRACTION, WIDTH, Boxes, Rooms, cast
from train.scenes.scene import CLASSES, SceneBatch, augment, stack


@pytest.fixture(scope="module")
def rooms():
    return Rooms(24, seed=3)


def test_a_room_depends_on_its_seed_and_number_only(rooms):
    again, other = Rooms(2, seed=3), Rooms(2, seed=4)
    for number in range(2):
        np.testing.assert_array_equal(again[number].image, rooms[number].image)
        assert (other[number].image != rooms[number].image).any()
    assert len(rooms) == 24


def test_every_class_occurs_and_few_pixels_are_unknown(rooms):
    labels = np.stack([rooms[k].label for k in range(24)])
    assert set(np.unique(labels)) == set(range(-1, len(CLASSES)))
    # 73728 pixels: the standard deviation of the fraction is 0.05 %.
    assert (labels < 0).mean() == pytest.approx(UNKNOWN_FRACTION, abs=0.003)
    assert np.mean([rooms[k].depth == 0 for k in range(24)]) == pytest.approx(UNKNOWN_FRACTION, abs=0.003)


def test_normals_are_those_of_the_surface_of_depths(rooms):
    """The normal is orthogonal to the difference of two neighbours on the same plane, in the camera's axes."""
    v, u = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), indexing="ij")
    rays = np.stack([((u + 0.5) / WIDTH - 0.5) / FOCAL, (v + 0.5 - HEIGHT / 2) / WIDTH / FOCAL, np.ones(u.shape)], -1)
    checked = 0
    for number in range(8):
        room = rooms[number]
        point = rays * room.depth[..., None]
        normal = room.normal
        flat = (normal[:, 1:] == normal[:, :-1]).all(-1) & (room.label[:, 1:] == room.label[:, :-1])
        flat &= normal[:, 1:].any(-1) & (room.depth[:, 1:] > 0) & (room.depth[:, :-1] > 0)
        step = point[:, 1:] - point[:, :-1]
        flat &= np.linalg.norm(step, axis=-1) < 0.3  # the same plane, not a parallel one
        slope = np.abs((step * normal[:, 1:]).sum(-1))[flat] / np.linalg.norm(step[flat], axis=-1)
        assert np.median(slope) < 1e-5
        checked += flat.sum()
        faces = (point * normal).sum(-1)[(room.depth > 0) & normal.any(-1)]
        assert (faces < 0).all()  # every surface that is seen faces the camera
    assert checked > 5000


def test_rays_end_where_geometry_says():
    """From the middle of a room of 4 x 2 x 6 m: the rear wall, the floor, and a box in front of the wall."""
    boxes = Boxes(np.array([[1.5, 0, 4]]), np.array([[2.5, 1.5, 5]]), ["bed"], np.zeros((1, 3)))
    rays = np.array([[0.0, 0, 1], [0.9, 0, 1], [0, -1.0, 0.5], [0, 0.5, 0]])
    depth, normal, label, _ = cast(np.array([2.0, 1, 3]), rays, np.array([4.0, 2, 6]), boxes, np.random.default_rng(1))
    assert depth == pytest.approx([1, 2 / 0.9, 1, 2])
    assert [CLASSES[k] for k in label] == ["bed", "wall", "floor", "ceiling"]
    np.testing.assert_array_equal(normal, [[0, 0, -1], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])


def test_augmentation_keeps_depths_and_normals_true(rooms):
    """Mirroring and enlarging a scene of one slanted plane gives the mirrored and nearer plane."""
    batch = stack([rooms[k] for k in range(16)])
    plane = SceneBatch(
        torch.linspace(0, 1, WIDTH).expand(16, 3, HEIGHT, WIDTH).contiguous(),
        torch.arange(WIDTH).expand(16, HEIGHT, WIDTH) // (WIDTH // 4),
        torch.full((16, 1, HEIGHT, WIDTH), 3.0),
        torch.tensor([0.6, 0.0, -0.8])[None, :, None, None].expand(16, 3, HEIGHT, WIDTH),
    )
    changed = augment(plane, np.random.default_rng(5))
    assert {round(float(depth), 4) for depth in changed.depth.unique()} == {3.0, 2.5, 2.0}
    for number in range(16):
        is_mirrored = bool((changed.image[number, 0, 0].diff() <= 0).all())
        np.testing.assert_allclose(changed.normal[number, :, 0, 0], [-0.6 if is_mirrored else 0.6, 0, -0.8], rtol=1e-6)
        steps = changed.label[number, 0].diff()
        assert (steps <= 0).all() if is_mirrored else (steps >= 0).all()
    again = augment(batch, np.random.default_rng(5))
    assert torch.equal(again.label, augment(batch, np.random.default_rng(5)).label)
    assert set(again.label.unique().tolist()) <= set(range(-1, len(CLASSES)))
