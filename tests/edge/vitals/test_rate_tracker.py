"""The tracker on made-up evidence: silence, wrong sources, a jump of the rate, and the ends of the range."""

import math

import numpy as np
import pytest

from edge.core.types import BeatRate, RateEstimate
from edge.vitals.quality_model import QUALITY_MODEL
from edge.vitals.rate_evidence import (
    RATES_BPM,
    SOURCES,
    RateEvidence,
    autocorrelate,
    beat_evidence,
    cycle_evidence,
    periodicity,
)
from edge.vitals.rate_tracker import RateTracker, refine

RATE_HZ = 50


def train_of(bpm, seconds=10.0, shape=0.08):
    """Pulses at a constant rate, as the envelope has them."""
    t = np.arange(0, seconds, 1 / RATE_HZ)
    phase = (t * bpm / 60 + 0.5) % 1 - 0.5
    return np.exp(-0.5 * (phase * 60 / bpm / shape) ** 2)


def motion(bpm):
    return periodicity(autocorrelate(train_of(bpm)[None], 200)[0], RATE_HZ)


def cycle(bpm):
    classes = np.arange(60, 320)
    density = np.exp(-0.5 * (np.log(classes * bpm / 12000) / 0.03) ** 2)
    return cycle_evidence((density / density.sum()).astype(np.float32))


def network(bpm):
    beats = BeatRate(bpm, (bpm - 1, bpm + 1), 10, outlier_fraction=0.0)
    return {"anchors": motion(bpm), "cycle": cycle(bpm), "beats": beat_evidence(beats)}


def all_sources(bpm):
    return {"envelope": motion(bpm), "pulse": motion(bpm)} | network(bpm)


def follow(evidence, seconds=12, tracker=None) -> RateEstimate:
    tracker = tracker or RateTracker()
    return [tracker.update(evidence) for _ in range(seconds)][-1]


@pytest.mark.parametrize("bpm", [40, 52, 75, 110, 150, 180])
def test_all_sources_together_give_their_rate(bpm):
    rate = follow(all_sources(bpm))
    assert rate.bpm == pytest.approx(bpm, rel=0.03)
    assert rate.confidence > QUALITY_MODEL.tracker.needed
    assert rate.ci95_bpm[0] <= bpm * 1.02
    assert rate.ci95_bpm[1] >= bpm * 0.98


def test_without_evidence_there_is_no_rate_and_the_last_one_fades():
    tracker = RateTracker()
    assert tracker.update({}) == RateEstimate()
    follow(all_sources(70), tracker=tracker)
    before = tracker.posterior.max()
    for _ in range(60):
        assert tracker.update({}).bpm is None
    assert tracker.posterior.max() < before / 3


@pytest.mark.parametrize("wrong", list(SOURCES))
def test_one_source_at_twice_the_rate_does_not_change_it(wrong):
    rate = follow(all_sources(60) | {wrong: all_sources(120)[wrong]})
    assert rate.bpm == pytest.approx(60, rel=0.05)


def test_weak_sources_that_contradict_one_another_give_less_confidence():
    def weak(sources):
        return {name: RateEvidence(0.4 * one.features, 0.4 * one.strength) for name, one in sources.items()}

    contradiction = {"envelope": motion(63), "pulse": motion(97), "anchors": motion(63), "cycle": cycle(97)}
    agreement = {name: all_sources(63)[name] for name in contradiction}
    for seconds in (1, 2, 4):
        confidence = follow(weak(contradiction), seconds).confidence
        assert confidence < follow(weak(agreement), seconds).confidence
        assert confidence < QUALITY_MODEL.tracker.needed


def test_the_confidence_needs_the_agreement_of_motion_and_network():
    """Certain sources of one kind are not enough against those of the other; without the other kind they are."""
    moving = {"envelope": motion(66), "pulse": motion(66)}
    for one, other in ((moving, network(96)), (network(66), {"envelope": motion(96), "pulse": motion(96)})):
        assert follow(one | other).confidence < QUALITY_MODEL.tracker.needed
    assert follow(moving | network(66)).confidence > follow(moving).confidence > QUALITY_MODEL.tracker.needed


@pytest.mark.parametrize("seed", range(4))
def test_noise_gives_no_confidence(seed):
    rng, tracker = np.random.default_rng(seed), RateTracker()
    samples, confidence = rng.standard_normal((2, 60 * RATE_HZ)), []
    flat = cycle_evidence(np.full(260, 1 / 260, np.float32))
    for end in range(10 * RATE_HZ, samples.shape[1], RATE_HZ):
        noise = (periodicity(autocorrelate(x[None, end - 500 : end], 200)[0], RATE_HZ) for x in samples)
        confidence.append(
            tracker.update(dict(zip(("envelope", "pulse"), noise, strict=True)) | {"cycle": flat}).confidence
        )
    assert max(confidence) < QUALITY_MODEL.tracker.needed


def test_a_jump_of_the_rate_is_followed():
    tracker = RateTracker()
    follow(all_sources(60), tracker=tracker)
    assert follow(all_sources(95), 5, tracker).bpm == pytest.approx(95, rel=0.03)


def test_a_reset_discards_the_rate():
    tracker = RateTracker()
    follow(all_sources(60), tracker=tracker)
    tracker.reset()
    np.testing.assert_allclose(tracker.posterior, 1 / len(RATES_BPM))


def test_beats_refine_a_rate_only_if_they_agree():
    rate = RateEstimate(70.0, 0.97, (68.0, 72.5))
    beats = BeatRate(71.3, (70.0, 72.6), 11, 0.0)
    refined, used = refine(rate, beats)
    assert (refined.bpm, refined.confidence, refined.ci95_bpm, used) == (71.3, 0.97, (68.0, 72.5), beats)
    assert refine(rate, BeatRate(80.0, (78.0, 82.0), 12, 0.0)) == (rate, None)
    assert refine(rate, None) == (rate, None)
    assert refine(RateEstimate(), beats) == (RateEstimate(), None)
    wide, _ = refine(rate, BeatRate(72.6, (70.0, 75.0), 11, 0.0))
    assert wide.ci95_bpm == (68.0, 72.6)


def test_a_periodicity_has_its_cycle_its_double_and_its_middle():
    features, strength = motion(60)
    at = {bpm: int(np.abs(RATES_BPM - bpm).argmin()) for bpm in (60, 120, 40)}
    assert features[0, at[60]] > 0.9
    assert features[1, at[60]] > 0.9
    assert features[1, at[120]] > 0.9  # two cycles at 120 bpm are one at 60
    assert features[0, at[120]] < 0.1
    assert strength == pytest.approx(features[0].max())
    assert (features[2] >= 0).all()


def test_an_autocorrelation_is_that_of_its_definition():
    x = np.random.default_rng(1).standard_normal((2, 40))
    found = autocorrelate(x, 60)
    y = x - x.mean(axis=1, keepdims=True)
    for lag in range(39):
        products = (y[:, : 40 - lag] * y[:, lag:]).mean(axis=1)
        np.testing.assert_allclose(found[:, lag], products / np.square(y).mean(axis=1), atol=1e-12)
    assert not found[:, 39:].any()


def test_cycle_and_beats_point_at_their_rate():
    for evidence in (cycle(66), beat_evidence(BeatRate(66.0, (65.0, 67.0), 11, 0.0))):
        assert RATES_BPM[evidence.features[0].argmax()] == pytest.approx(66, rel=0.011)
    many_outliers = beat_evidence(BeatRate(66.0, (65.0, 67.0), 11, 0.5))
    assert many_outliers.strength == 0
    assert not many_outliers.features.any()


def test_fitted_parameters_are_complete():
    fit = QUALITY_MODEL.tracker
    assert {name: len(source.weights) for name, source in fit.sources.items()} == {
        name: len(features) for name, features in SOURCES.items()
    }
    assert all(set(source.slopes) == set(SOURCES) for source in fit.sources.values())
    assert 0 < fit.jump < 1
    assert 0 < fit.walk < 0.1
    assert all(weight > 0 for weight in fit.agreement.weights.values())
    assert 0.5 < fit.needed < fit.good < 1


def test_the_log_likelihood_is_the_gated_sum():
    evidence = RateEvidence(np.random.default_rng(2).standard_normal((3, len(RATES_BPM))), 0.6)
    source = QUALITY_MODEL.tracker.sources["pulse"]
    gate = source.offset + source.slopes["pulse"] * 0.6
    expected = math.exp(np.clip(gate, -2, 1)) * (np.array(source.weights) @ evidence.features)
    np.testing.assert_allclose(RateTracker().log_likelihood({"pulse": evidence}), expected)
