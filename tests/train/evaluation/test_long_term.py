"""Tests the figures of any long-term ECG: perfect, late, without beats, with displaced waves."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.spec import RCG_RATE_HZ
from train.data.labels import clean_ecg, label
from train.data.spectrograms import window_samples
from train.data.trial import Trial, TrialError
from train.evaluation.long_term import delineate, measure_ecg

R_PEAKS = 100 + np.cumsum(170 + 15 * np.sin(np.arange(22) / 2))
N = 4000
WAVES = {"P": (-34, 0.12, 5), "Q": (-7, -0.15, 1.5), "R": (0, 1.0, 2.5), "S": (7, -0.25, 2), "T": (55, 0.3, 9)}


def ecg(late_ms=0.0, waves=tuple(WAVES), beats=R_PEAKS, moved=""):
    """The waves `moved` are 20 ms late; all are `late_ms` late."""
    t = np.arange(N)
    shifts = {name: late_ms / 5 + (4 if name in moved else 0) for name in WAVES}
    return sum(
        size * np.exp(-0.5 * ((t - beat - at - shifts[name]) / width) ** 2)
        for beat in beats
        for name, (at, size, width) in WAVES.items()
        if name in waves
    )


TRIAL = Trial("1", "nobody", np.zeros((1, N), np.float32), ecg().astype(np.float32), R_PEAKS / RCG_RATE_HZ)
LABELS = label(TRIAL)
TRUTH = clean_ecg(TRIAL.ecg, LABELS.beats).astype(np.float64)
COUNTED = R_PEAKS[window_samples(0).start <= R_PEAKS]


def measure(ours, valid_mask=None):
    return measure_ecg(ours, np.ones(N, bool) if valid_mask is None else valid_mask, TRIAL, LABELS)


def test_the_true_ecg_is_perfect():
    found = measure(TRUTH)
    assert (found.known, found.rmse, found.pcc) == (1, 0, pytest.approx(1))
    assert (found.beats.missed, found.beats.false) == (0, 0)
    assert np.abs(found.beats.timing_ms).max() < 1
    np.testing.assert_allclose(found.bpm, found.true_bpm, atol=0.2)
    for wave, errors in found.waves_ms.items():
        assert len(errors) >= len(COUNTED) - 1, wave
        assert np.abs(errors).max() <= 1, wave


@pytest.mark.parametrize("late_ms", [-100, 60, 100])
def test_all_waves_of_a_late_ecg_are_late(late_ms):
    """A search beside the true R peak would find the true waves' neighbours instead."""
    found = measure(ecg(late_ms))
    assert found.beats.missed <= 1
    for errors in (found.beats.timing_ms, *found.waves_ms.values()):
        assert np.median(errors) == pytest.approx(late_ms, abs=1)
    assert found.pcc < 0.5 < 0.99 < found.lag_pcc


def test_a_wave_alone_can_be_late():
    found = measure(ecg(moved="T"))
    medians = {wave: np.median(errors) for wave, errors in found.waves_ms.items()}
    assert medians == {"Q": pytest.approx(0, abs=1), "S": pytest.approx(0, abs=1), "T": pytest.approx(20, abs=2)}


def test_dropped_beats_and_unknown_time_are_missed():
    half = np.arange(N) < N // 2
    found = measure(ecg(beats=R_PEAKS[::2]))
    assert found.beats.missed == len(set(COUNTED) - set(R_PEAKS[::2]))
    found = measure(np.where(half, TRUTH, 0), half)
    assert found.known == pytest.approx(0.5, abs=0.1)
    assert found.pcc == pytest.approx(1)
    assert found.beats.missed == (COUNTED >= N // 2).sum()
    assert np.isnan(found.bpm[1])


def test_silence_has_no_beat_and_no_wave():
    found = measure(np.zeros(N), np.zeros(N, bool))
    assert found.beats.mdr == 1
    assert all(len(errors) == 0 for errors in found.waves_ms.values())
    assert np.isnan(found.bpm).all()
    assert np.isnan(delineate(ecg(), R_PEAKS[:1])["T"]).all()


def test_noise_has_figures_too():
    noise = np.random.default_rng(1).standard_normal(N)
    found = measure(noise)
    assert abs(found.pcc) < 0.2
    assert 0 <= found.beats.mdr <= 1


def test_a_trial_without_an_ecg_is_refused():
    with pytest.raises(TrialError, match="1: has no ECG, only R peaks"):
        measure_ecg(ecg(), np.ones(N, bool), replace(TRIAL, ecg=None), LABELS)
