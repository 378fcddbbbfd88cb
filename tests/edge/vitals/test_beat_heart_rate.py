"""Beats to rate, interval, variability and the hint of an irregular rhythm."""

import numpy as np
import pytest

from edge.core.spec import CYCLE_CLASSES, RCG_RATE_HZ
from edge.core.types import EcgBlock, EcgEstimate, TaskOutputs
from edge.vitals.beat_heart_rate import BeatHistory


def outputs(width: float) -> TaskOutputs:
    cycle = np.exp(-0.5 * ((np.arange(CYCLE_CLASSES) - CYCLE_CLASSES / 2) / width) ** 2)
    return TaskOutputs(np.zeros(200), np.full(800, 1 / 800), cycle / cycle.sum())


def history_of(beats_s, seconds, width=2.0, start=0, beats=None) -> BeatHistory:
    """Push beats second by second, as the reconstruction does; `width` is that of the cycle distributions."""
    beats = beats or BeatHistory()
    beats_s = np.asarray(beats_s)
    for second in range(start, seconds):
        first = second * RCG_RATE_HZ
        inside = beats_s[(beats_s >= second) & (beats_s < second + 1)] * RCG_RATE_HZ
        stretch = EcgEstimate(first, np.zeros(200), np.ones(200, bool), inside, np.full(len(inside), 0.9))
        beats.push(EcgBlock(0, first, stretch, second > start, outputs(width)))
    return beats


def cycles(rate_bpm, spread, seconds=70, seed=1):
    rng = np.random.default_rng(seed)
    return np.cumsum(60 / rate_bpm * np.exp(spread * rng.standard_normal(round(seconds * rate_bpm / 60))))


@pytest.mark.parametrize("rate_bpm", [42, 70, 120, 175])
def test_a_rate_is_that_of_the_last_ten_seconds(rate_bpm):
    beats_s = np.concatenate([np.arange(0, 30, 0.5), np.arange(30, 60, 60 / rate_bpm)])
    rate = history_of(beats_s, 50).rate()
    assert rate.bpm == pytest.approx(rate_bpm, rel=1e-6)
    assert rate.ci95_bpm[0] < rate_bpm < rate.ci95_bpm[1]
    assert rate.n_beats == pytest.approx(rate_bpm / 6, abs=1)
    assert rate.outlier_fraction == 0


@pytest.mark.parametrize("spread", [0.04, 0.1])
def test_the_interval_contains_the_mean_as_often_as_stated(spread):
    inside = 0
    for seed in range(300):
        low, high = history_of(cycles(75, spread, 14, seed), 12).rate().ci95_bpm
        inside += low <= 75 <= high
    assert 0.9 <= inside / 300 <= 0.995


def test_a_missed_and_a_false_beat_do_not_change_the_rate():
    beats_s = np.arange(0.2, 40, 0.8)
    missed = history_of(np.delete(beats_s, 45), 40).rate()
    assert missed.bpm == pytest.approx(75, rel=1e-6)
    assert missed.outlier_fraction == pytest.approx(0.1)
    assert history_of(np.sort([*beats_s, 35.5]), 40).rate().bpm == pytest.approx(75, rel=0.02)


def test_no_rate_from_few_beats_nor_from_old_ones():
    beats_s = np.arange(0.1, 60, 0.9)
    assert BeatHistory().rate() is None
    assert history_of(beats_s, 2).rate() is None
    beats = history_of(beats_s, 20)
    assert beats.rate() is not None
    beats.advance(2.0)
    assert beats.rate() is not None
    beats.advance(1.0)
    assert beats.rate() is None
    beats.reset()
    assert beats.rate() is None


def test_a_block_that_does_not_continue_discards_earlier_beats():
    beats = history_of(np.arange(0.1, 60, 0.9), 40)
    assert beats.rhythm() is not None
    history_of(np.arange(0.1, 60, 0.9), 45, start=42, beats=beats)
    assert beats.rate() is None
    assert beats.rhythm() is None


def test_variability_is_that_of_the_last_minute():
    rng = np.random.default_rng(3)
    cycles_s = 0.8 + 0.03 * rng.standard_normal(200)
    rhythm = history_of(np.cumsum(cycles_s), 150).rhythm()
    assert rhythm.sdnn_ms == pytest.approx(30, rel=0.2)
    assert rhythm.rmssd_ms == pytest.approx(30 * np.sqrt(2), rel=0.2)
    assert not rhythm.irregular


def test_fibrillation_is_irregular_and_a_few_extrasystoles_are_not():
    assert history_of(cycles(86, 0.2), 65).rhythm().irregular
    cycles_s = np.full(90, 0.8)
    cycles_s[10::12], cycles_s[11::12] = 0.55, 1.05
    assert not history_of(np.cumsum(cycles_s), 60).rhythm().irregular


def test_there_is_no_rhythm_with_few_cycles_or_many_outliers():
    assert history_of(cycles(70, 0.02), 14).rhythm() is None
    rng = np.random.default_rng(4)
    assert history_of(np.cumsum(rng.choice([0.3, 0.9, 2.0], 80)), 60).rhythm() is None
