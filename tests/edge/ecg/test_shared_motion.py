"""SharedMotion: what the points share is kept, what single points add is not."""

import numpy as np
import pytest

from edge.core.spec import RCG_RATE_HZ
from edge.ecg.shared_motion import PATTERNS, SharedMotion, keep_shared_motion

POINTS, BLOCK = 50, 20


def heart(seconds: float, seed: int = 1) -> np.ndarray:
    """PATTERNS motions [PATTERNS, n] that every point mixes with weights of its own: [POINTS, n]."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RCG_RATE_HZ)) / RCG_RATE_HZ
    motions = np.sin(2 * np.pi * np.array([[7.0], [11.0], [17.0]]) * t + rng.uniform(0, 6, (PATTERNS, 1)))
    return rng.normal(size=(POINTS, PATTERNS)) @ motions


def test_noise_of_single_points_falls_to_the_share_of_the_patterns():
    """Of independent noise, PATTERNS of POINTS dimensions remain, plus what the estimated patterns miss."""
    clean = heart(40)
    noise = np.random.default_rng(2).normal(size=clean.shape) * clean.std()
    late = slice(20 * RCG_RATE_HZ, None)
    error = (keep_shared_motion(clean + noise) - clean)[:, late]
    assert np.mean(error**2) < 2 * PATTERNS / POINTS * np.mean(noise[:, late] ** 2)


def test_shared_motion_without_noise_is_unchanged():
    clean = heart(10)
    late = slice(2 * RCG_RATE_HZ, None)
    assert np.allclose(keep_shared_motion(clean)[:, late], clean[:, late], atol=1e-6 * clean.std())


@pytest.mark.parametrize("points", [1, 2, PATTERNS])
def test_few_points_are_unchanged(points):
    rcg = np.random.default_rng(1).normal(size=(points, 400))
    assert keep_shared_motion(rcg) is not None
    assert np.array_equal(keep_shared_motion(rcg), rcg)


def test_the_output_does_not_depend_on_the_future():
    rcg = heart(6) + np.random.default_rng(3).normal(size=(POINTS, 6 * RCG_RATE_HZ))
    other = rcg.copy()
    other[:, 3 * RCG_RATE_HZ :] = 0
    assert np.array_equal(
        keep_shared_motion(rcg)[:, : 3 * RCG_RATE_HZ], keep_shared_motion(other)[:, : 3 * RCG_RATE_HZ]
    )


def test_a_movement_does_not_replace_the_patterns_of_the_heart():
    """For three seconds another pattern is a hundred times as strong; half a second later the heart is complete."""
    clean = heart(40)
    moved = clean.copy()
    start, end = 20 * RCG_RATE_HZ, 23 * RCG_RATE_HZ
    motions = np.random.default_rng(4).normal(size=(PATTERNS, end - start))
    moved[:, start:end] += 100 * clean.std() * np.random.default_rng(5).normal(size=(POINTS, PATTERNS)) @ motions
    after = slice(end + RCG_RATE_HZ // 2, None)
    kept = keep_shared_motion(moved)[:, after]
    assert np.mean((kept - clean[:, after]) ** 2) < 0.1 * np.mean(clean[:, after] ** 2)


def test_a_sample_that_is_not_finite_affects_its_own_point_only():
    rcg = heart(5)
    broken = rcg.copy()
    broken[7, 500:520] = np.nan
    kept = keep_shared_motion(broken)
    assert np.isnan(kept[7, 500:520]).all()
    assert np.isnan(kept).sum() == 20
    assert np.allclose(np.delete(kept, 7, 0)[:, 600:], np.delete(rcg, 7, 0)[:, 600:], atol=0.05 * rcg.std())


def test_silence_gives_silence_and_the_first_motion_after_it_is_kept():
    rcg = np.concatenate([np.zeros((POINTS, 400)), heart(10)], axis=1)
    kept = keep_shared_motion(rcg)
    assert not kept[:, :400].any()
    late = slice(400 + 2 * RCG_RATE_HZ, None)
    assert np.allclose(kept[:, late], rcg[:, late], atol=1e-6 * rcg.std())


def test_the_stream_equals_the_whole_recording():
    rcg, shared = heart(4) + 1.0, SharedMotion(POINTS)
    parts = [shared.push(rcg[:, k : k + BLOCK]) for k in range(0, rcg.shape[1], BLOCK)]
    assert np.array_equal(np.concatenate(parts, axis=1), keep_shared_motion(rcg))
