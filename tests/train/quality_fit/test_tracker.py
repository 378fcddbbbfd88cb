"""The fit of the tracker on made-up evidence, in which one source is right and another one is not."""

import numpy as np
import pytest
import torch
from scipy import special

from edge.vitals.quality_model import Logistic
from edge.vitals.rate_evidence import RATES_BPM, SOURCES, RateEvidence
from edge.vitals.rate_tracker import RateTracker
from train.quality_fit.evidence import SECONDS, Track
from train.quality_fit.logistic import fit_logistic
from train.quality_fit.tracker import FOLDS, Tracker, fit_tracker, judge, lowest_limit

COUNTS = [len(features) for features in SOURCES.values()]


def track(rng) -> Track:
    """`cycle` always has a maximum at the true rate, `pulse` always at another one."""
    true, other = rng.integers(10, 70, 2)
    features = 0.1 * rng.standard_normal((SECONDS, sum(COUNTS), len(RATES_BPM))).astype(np.float32)
    rows = dict(zip(SOURCES, np.cumsum([0, *COUNTS[:-1]]), strict=True))
    peak = np.exp(-0.5 * np.square(np.arange(len(RATES_BPM)) - np.array([[true], [other]])) / 4)
    features[:, rows["cycle"]] += peak[0]
    features[:, rows["pulse"]] += peak[1]
    strengths = np.full((SECONDS, len(SOURCES)), 0.7, np.float32)
    return Track(features, strengths, np.full(SECONDS, RATES_BPM[true]))


def effective_weight(fit, name) -> float:
    gate = fit.sources[name].offset + 0.7 * sum(fit.sources[name].slopes.values())
    return np.exp(np.clip(gate, -2, 1)) * fit.sources[name].weights[0]


def test_what_is_always_right_outweighs_what_is_not(monkeypatch):
    monkeypatch.setattr("train.quality_fit.tracker.STEPS", 30)
    monkeypatch.setattr("train.quality_fit.tracker.LEARNING_RATE", 0.1)
    rng, steps = np.random.default_rng(1), []
    people = list(range(18))
    tracks = [track(rng) for _ in people]
    fit = fit_tracker(tracks, people, [], [], lambda: steps.append(1))
    assert len(steps) == (FOLDS + 1) * 30
    assert effective_weight(fit, "cycle") > 2 * effective_weight(fit, "pulse")
    assert 0 < fit.needed <= fit.good <= 1


def test_the_limit_is_above_what_misleads_the_tracker_though_it_never_learnt_it(monkeypatch):
    monkeypatch.setattr("train.quality_fit.tracker.STEPS", 5)
    rng = np.random.default_rng(4)
    people, tracks = list(range(12)), [track(rng) for _ in range(12)]
    misleading = [each._replace(true_bpm=np.full(SECONDS, 300.0)) for each in (track(rng) for _ in people)]
    alone, beside = (
        fit_tracker(tracks, people, judged, range(len(judged)), lambda: None) for judged in ([], misleading)
    )
    assert beside.sources == alone.sources
    assert beside.needed > alone.needed


def test_the_fitted_parameters_give_the_same_posterior_on_the_device():
    rng = np.random.default_rng(2)
    example, trained = track(rng), Tracker(torch.full((len(SOURCES),), 0.6))
    with torch.no_grad():
        trained.slopes.copy_(torch.tensor(0.3 * rng.standard_normal((len(SOURCES), len(SOURCES)))))
        trained.offsets.copy_(torch.tensor(0.3 * rng.standard_normal(len(SOURCES))))
        expected = trained(torch.tensor(example.features)[None], torch.tensor(example.strengths)[None])[0]
    agreement = Logistic(weights={"motion": 0.6, "network": 0.9}, offset=1.6)
    tracker = RateTracker(trained.fitted(agreement, 0.9, 0.95))
    for second in range(SECONDS):
        parts = np.split(example.features[second], np.cumsum(COUNTS)[:-1])
        tracker.update({name: RateEvidence(part, 0.7) for name, part in zip(SOURCES, parts, strict=True)})
        # The parameters are rounded to four digits: 5e-5 of log-likelihoods up to 10 in each of about 10 seconds.
        np.testing.assert_allclose(tracker.posterior, expected[second], atol=5e-3)


def test_judged_are_only_seconds_with_a_known_rate():
    example = track(np.random.default_rng(3))
    example.true_bpm[::2] = np.nan
    odds, right = judge(Tracker(torch.full((len(SOURCES),), 0.6)), [example])
    assert odds.shape == (SECONDS // 2, 2)
    assert right.shape == (SECONDS // 2,)


def test_the_confidence_is_as_high_as_the_fraction_that_is_right():
    rng = np.random.default_rng(5)
    odds = 3 * rng.standard_normal((20_000, 2))
    true = special.expit(0.5 + 0.4 * odds[:, 0] + 0.8 * odds[:, 1])
    fit = fit_logistic(("motion", "network"), odds, rng.random(len(odds)) < true)
    # Standard errors of 20 000 draws: .01 of the slopes, .03 of the offset.
    assert fit.weights == pytest.approx({"motion": 0.4, "network": 0.8}, abs=0.05)
    assert fit.offset == pytest.approx(0.5, abs=0.12)


def test_a_limit_is_the_lowest_with_few_enough_wrong_above():
    confidence = np.array([0.99, 0.95, 0.9, 0.8, 0.7])
    right = np.array([True, True, False, True, True])
    assert lowest_limit(confidence, right, 0.0) == 0.95
    assert lowest_limit(confidence, right, 0.26) == 0.7
    assert lowest_limit(confidence, ~right, 0.0) == 0.99
