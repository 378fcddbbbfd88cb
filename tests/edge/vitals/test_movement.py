"""What is detected as a movement, how long it is held, and what must not be detected."""

import numpy as np
import pytest

from edge.core.types import Chest, RcgBlock
from edge.vitals.movement import MovementDetector

T = np.arange(0, 20, 1 / 200)


def levels(displacement_mm, speeds=(0.0,) * 200, limit_mm_s=190.0, anew_at=None, weights=None):
    """Return the level of each 0.1 s of a chest [P, n]; one block restarts the tracks 25 mm farther away."""
    x = np.atleast_2d(displacement_mm)
    detector, levels_seen = MovementDetector(limit_mm_s), []
    for k in range(200):
        moved = x[:, 20 * k : 20 * k + 20] + (25 if anew_at and k >= anew_at else 0)
        w = weights[k] if weights else np.full(len(x), 1 / len(x))
        restarted, covered, chest = k in (0, anew_at), np.ones(20, bool), Chest(0.5, 30, True)
        levels_seen.append(
            detector.push(RcgBlock(0, moved, np.zeros_like(moved), w, covered, speeds[k], chest, restarted))
        )
    return levels_seen


def breathing(rate_bpm=15, mm=6):
    return mm / 2 * (np.cos(2 * np.pi * rate_bpm / 60 * T) + 0.2 * np.cos(4 * np.pi * rate_bpm / 60 * T + 0.9))


def heart():
    return 0.12 * np.exp(-0.5 * (((T % 0.85) - 0.3) / 0.05) ** 2)


def burst(mm, start_s=8.0, length_s=1.5):
    inside = np.clip((T - start_s) / length_s, 0, 1)
    return mm * np.sin(np.pi * inside) ** 2 * (1 + 0.4 * np.sin(7 * np.pi * inside))


@pytest.mark.parametrize(("rate_bpm", "mm"), [(8, 3), (15, 6), (24, 12), (30, 10)])
def test_breathing_and_the_heart_are_not_a_movement(rate_bpm, mm):
    assert set(levels(breathing(rate_bpm, mm) + heart())) == {"none"}


@pytest.mark.parametrize(("mm", "highest"), [(6, "mild"), (60, "extensive")])
def test_a_movement_is_detected_within_half_a_second_and_held_for_one(mm, highest):
    levels_seen = levels(breathing() + heart() + burst(mm))
    assert set(levels_seen[:80]) == {"none"}
    assert levels_seen.index("mild" if highest == "mild" else levels_seen[85]) <= 86
    assert highest in levels_seen
    assert ("extensive" in levels_seen) == (highest == "extensive")
    assert levels_seen[100] != "none"  # half a second after its end
    assert set(levels_seen[112:]) == {"none"}


def test_a_motion_too_fast_for_the_frame_rate_is_always_a_movement():
    assert set(levels(breathing(), limit_mm_s=24)) == {"none"}
    assert levels(breathing(), [0.0] * 100 + [20.0] + [0.0] * 99, limit_mm_s=24)[100] == "extensive"


def test_a_change_of_points_or_weights_is_not_a_movement():
    x = np.stack([breathing() + heart(), breathing() + heart() + 40.0])
    assert set(levels(x, anew_at=100)) == {"none"}
    weights = [np.array([1.0, 0.0]) if k < 100 else np.array([0.0, 1.0]) for k in range(200)]
    assert set(levels(x, weights=weights)) == {"none"}
