"""The heart's motion without a network: its evidence, tracked, on the twin and on noise; and the breathing rate."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edge.core.types import Chest, RcgBlock
from edge.dsp.frontend.rcg import RcgExtractor
from edge.twin.body import Body
from edge.twin.heart import Heart
from edge.vitals.breathing_rate import BreathingEstimator
from edge.vitals.heart_motion import HeartMotion
from edge.vitals.quality_model import QUALITY_MODEL
from edge.vitals.rate_tracker import RateTracker
from tests.helpers.chest import frames

more = partial(pytest.param, marks=pytest.mark.slow)


def block(displacement_mm, rcg, restarted=False) -> RcgBlock:
    p, n = displacement_mm.shape
    return RcgBlock(0, displacement_mm, rcg, np.full(p, 1 / p), np.ones(n, bool), 0.0, Chest(0.5, 30, True), restarted)


def follow(chirp, heart, body=None, seconds=16.0, seed=1):
    """(time, estimate, truth) once a second."""
    extractor, motion, tracker = RcgExtractor(chirp), HeartMotion(), RateTracker()
    out, per_second = [], round(1 / chirp.frame_period_s)
    for frame in frames(chirp, heart, body, seconds, seed):
        if (piece := extractor.push(frame)) is not None:
            motion.push(piece)
        if frame.seq % per_second == per_second - 1:
            now_s = (frame.seq + 1) * chirp.frame_period_s
            out.append((now_s, tracker.update(motion.evidence()), heart.rate_bpm(now_s, 10.0)))
    return out


@pytest.mark.parametrize("bpm", [48, more(60), more(75), more(90), more(110), more(140), 165])
def test_rates_of_the_twin(mmecg, bpm):
    chirp = replace(mmecg, frame_period_s=0.02)  # a quarter of the frames to simulate
    needed = QUALITY_MODEL.tracker.needed
    sure = [(e, truth) for _, e, truth in follow(chirp, Heart(bpm, seed=bpm)) if e.confidence > needed]
    assert len(sure) >= 3
    assert max(abs(e.bpm - truth) for e, truth in sure) < 4


def test_no_rate_before_there_is_a_window(mmecg):
    early = [e for now, e, _ in follow(mmecg, Heart(), seconds=5) if now < 4]
    assert all(e.bpm is None and e.confidence == 0 for e in early)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_never_a_confident_rate(seed):
    rng = np.random.default_rng(seed)
    motion, tracker, confidences = HeartMotion(), RateTracker(), []
    for second in range(60):
        walk = 0.01 * rng.standard_normal((12, 200)).cumsum(axis=1)
        motion.push(block(walk, 30 * rng.standard_normal((12, 200)), restarted=second == 0))
        confidences.append(tracker.update(motion.evidence()).confidence)
    assert max(confidences) < QUALITY_MODEL.tracker.needed


def test_block_size_does_not_change_the_result(mmecg):
    rng = np.random.default_rng(0)
    displacement, rcg = rng.standard_normal((3, 2400)), rng.standard_normal((3, 2400))
    results = []
    for size in (7, 20, 400, 2400):
        motion = HeartMotion()
        waves = [
            motion.push(block(displacement[:, k : k + size], rcg[:, k : k + size])).samples
            for k in range(0, 2400, size)
        ]
        results.append((np.concatenate(waves), motion.evidence()))
    for wave, evidence in results[1:]:
        np.testing.assert_allclose(wave, results[0][0], atol=1e-9)
        for name in ("envelope", "pulse"):
            np.testing.assert_allclose(evidence[name].features, results[0][1][name].features, atol=1e-6)


def test_a_reset_starts_a_new_window(mmecg):
    motion = HeartMotion()
    rng = np.random.default_rng(0)
    for _ in range(10):
        motion.push(block(rng.standard_normal((3, 200)), rng.standard_normal((3, 200))))
    assert motion.window_s() == 10
    motion.reset()
    assert motion.window_s() == 0
    assert motion.evidence() == {}


@pytest.mark.parametrize("per_minute", [8, more(12), more(15), more(22), 30])
def test_breathing_rate(mmecg, per_minute):
    chirp = replace(mmecg, frame_period_s=0.05)
    extractor, estimator = RcgExtractor(chirp), BreathingEstimator()
    assert estimator.estimate().bpm is None
    for frame in frames(chirp, Heart(), Body(breathing_rate_bpm=per_minute), seconds=30):
        if (piece := extractor.push(frame)) is not None:
            estimator.push(piece)
    found = estimator.estimate()
    assert found.bpm == pytest.approx(per_minute, abs=1)
    assert found.confidence > 0.5
