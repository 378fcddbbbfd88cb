"""Beamforming to points of the chest, and their selection."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edge.dsp.frontend.beamforming import Beamformer, can_focus, steering, voxels
from edge.dsp.frontend.point_selection import POINTS, beat_score, select_points
from edge.dsp.frontend.range_profile import range_profile
from edge.twin.fmcw import Fmcw
from edge.twin.scene import SCENES, Scene

BINS = slice(4, 18)


def profile_of(chirp, point_m) -> np.ndarray:
    """Range profile [pair x bin] of one echo of 100 counts, by the twin's exact paths."""
    point = np.broadcast_to(point_m, (1, len(chirp.tx_order), 1, 3))
    iq = Fmcw(chirp, Scene()).echoes(point, np.array([[100.0]]))
    return range_profile(iq.reshape(1, *chirp.frame_shape))[0][:, BINS].ravel()


@pytest.mark.parametrize("point_m", [(0.0, 0.45, 0.0), (0.12, 0.5, -0.1), (-0.2, 0.4, 0.15)])
def test_the_filter_of_a_point_gives_its_echo_in_counts(mmecg, point_m):
    """With a wrong sign or a path error of a wavelength the 12 antenna pairs no longer add up."""
    echo = steering(mmecg, np.array([point_m]), BINS) @ profile_of(mmecg, point_m)
    assert abs(echo[0]) == pytest.approx(100, rel=0.01)
    assert np.angle(echo[0]) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("tx_order", [(1, 2, 3), (1, 3, 2)])
def test_the_strongest_voxel_is_where_the_echo_is(mmecg, tx_order):
    chirp = replace(mmecg, tx_order=tx_order)
    grid = voxels(0.45).reshape(-1, 3)
    at = grid[np.linalg.norm(grid - (0.09, 0.44, 0.04), axis=1).argmin()]
    strength = np.abs(steering(chirp, grid, BINS) @ profile_of(chirp, at))
    assert np.linalg.norm(grid[strength.argmax()] - at) < 0.03


def test_a_conjugate_filter_does_not_focus(mmecg):
    point = np.array([(0.12, 0.5, -0.1)])
    assert abs((steering(mmecg, point, BINS).conj() @ profile_of(mmecg, point[0]))[0]) < 30


def test_few_antennas_or_unknown_places_are_not_focused(mmecg, iwr6843):
    assert can_focus(mmecg)
    assert not can_focus(iwr6843)
    assert not can_focus(replace(mmecg, tx_order=(1,)))


@pytest.fixture(scope="module")
def chest_of(mmecg):
    """Nine seconds of a scene, with a new beamformer at every call."""

    @cache
    def profiles(name: str) -> list[np.ndarray]:
        radar = Fmcw(mmecg, SCENES[name])
        return [range_profile(radar.frames(first, 20))[:, :, 4:57] for first in range(0, 1800, 20)]

    def focused(name: str) -> Beamformer:
        focus = Beamformer(mmecg, slice(4, 57))
        for part in profiles(name):
            focus.push(part)
        return focus

    return focused


@pytest.mark.parametrize(
    ("name", "azimuth_deg"), [("breathing", 0.0), pytest.param("off_axis", 20.0, marks=pytest.mark.slow)]
)
def test_fifty_points_of_the_chest_wherever_it_sits(chest_of, name, azimuth_deg):
    focus = chest_of(name)
    assert any(focus.refocus(10, 0.46))
    assert focus.points_m.shape == (POINTS, 3)
    assert len(np.unique(focus.points_m, axis=0)) == POINTS
    assert SCENES[name].on_chest(focus.points_m).mean() > 0.5
    x, y, _ = focus.points_m.mean(axis=0)
    assert np.degrees(np.arctan2(x, y)) == pytest.approx(azimuth_deg, abs=6)


def test_points_stay_while_they_are_good_and_are_ordered(chest_of):
    focus = chest_of("breathing")
    assert any(focus.refocus(10, 0.46))
    kept = focus.points_m
    assert not any(focus.refocus(10, 0.465))
    assert focus.points_m is kept
    assert (np.lexsort(kept.T) == np.arange(POINTS)).all()
    assert any(focus.refocus(13, 0.6))  # another range is another chest


def test_selection_proceeds_in_slices_of_the_grid_with_the_data_of_its_start(chest_of):
    focus = chest_of("breathing")
    slices = focus.refocus(10, 0.46)
    assert next(slices) is False
    for _ in range(10):
        focus.push(np.ones((20, 12, 53), np.complex64))  # a block between each two
        assert not len(focus.points_m)
        if next(slices):
            break
    later = focus.points_m
    focus = chest_of("breathing")
    assert sum(focus.refocus(10, 0.46)) == 1
    assert (focus.points_m == later).all()


def test_a_beating_voxel_scores_above_a_breathing_and_a_random_one():
    rate_hz, t_s = 50.0, np.arange(400) / 50.0
    rng = np.random.default_rng(0)
    breath = 8 * np.sin(2 * np.pi * 0.25 * t_s)
    beat = sum(np.cos(2 * np.pi * 9 * (t_s - b)) * np.exp(-(((t_s - b) / 0.05) ** 2)) for b in np.arange(0.3, 8, 0.85))
    noise = 0.05 * rng.standard_normal((3, len(t_s)))
    phase = breath + noise + np.array([0.6 * beat, 0 * beat, 0 * beat])
    strength = np.array([1.0, 1.0, 0.05])
    score, _ = beat_score((strength[:, None] * np.exp(1j * phase)).T.astype(np.complex64), rate_hz)
    assert score[0] > 0.6
    assert score[1] < 0.4
    assert score[2] == 0  # far below the strongest


def test_too_few_candidates_are_filled_up_by_score():
    rng = np.random.default_rng(1)
    score = np.zeros(80)
    score[:10] = 1
    chosen = select_points(score, rng.standard_normal((80, 100)), rng.standard_normal((80, 3)), np.ones(80))
    assert len(set(chosen)) == POINTS
    assert set(range(10)) <= set(chosen)
