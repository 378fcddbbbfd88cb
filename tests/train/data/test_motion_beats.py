"""Beats found in motion alone: made-up hearts with known beats, noise, and two equal heart sounds."""

import numpy as np
import pytest

from edge.core.spec import RCG_RATE_HZ
from train.data.motion_beats import find_motion_beats
from train.data.readers.mscardio import clear_stretches

SECONDS = 60


def seismocardiogram(bpm: float, noise: float, second_sound: float = 0.6, seed: int = 1):
    """Return acceleration [n] and the times of its beats: two decaying vibrations a beat, cycles that vary by 4 %."""
    rng = np.random.default_rng(seed)
    cycles_s = 60 / bpm * np.exp(0.04 * rng.standard_normal(200))
    beats_s = np.cumsum(cycles_s)[np.cumsum(cycles_s) < SECONDS - 1]
    t_s = np.arange(SECONDS * RCG_RATE_HZ) / RCG_RATE_HZ
    x = noise * rng.standard_normal(len(t_s))
    for beat_s in beats_s:
        for delay_s, height, hz in ((0, 1, 18), (0.3, second_sound, 24)):
            age_s = t_s - beat_s - delay_s
            x += height * (age_s >= 0) * np.exp(-np.maximum(age_s, 0) / 0.04) * np.sin(2 * np.pi * hz * age_s)
    return x, beats_s


@pytest.mark.parametrize(("bpm", "noise"), [(45, 0.1), (72, 0.1), (72, 0.3), (110, 0.1)])
def test_beats_have_a_constant_delay(bpm, noise):
    x, true_s = seismocardiogram(bpm, noise)
    found = find_motion_beats(x)
    times_s = found.times_s[(found.times_s > true_s[0] - 0.1) & (found.times_s < true_s[-1] + 0.1)]
    delay_s = times_s - true_s[np.abs(times_s[:, None] - true_s).argmin(axis=1)]
    typical_s = np.median(delay_s)
    inside = (true_s > 2) & (true_s < SECONDS - 2)
    # Times are on a grid of 10 ms; a beat more or less would be off by half a cycle.
    assert np.mean(np.abs(delay_s - typical_s) <= 0.02) >= 0.97
    missed = [beat for beat in true_s[inside] if np.abs(found.times_s - typical_s - beat).min() > 0.02]
    assert len(missed) <= 0.03 * inside.sum()
    assert found.clear[20:-2].mean() > 0.5
    assert np.nanmedian(found.bpm) == pytest.approx(60 / np.diff(true_s).mean(), rel=0.02)


def test_two_equal_heart_sounds_are_one_beat():
    x, true_s = seismocardiogram(66, 0.1, second_sound=1.0)
    assert np.nanmedian(find_motion_beats(x).bpm) == pytest.approx(60 / np.diff(true_s).mean(), rel=0.03)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noise_is_not_clear(seed):
    noise = np.random.default_rng(seed).standard_normal(SECONDS * RCG_RATE_HZ)
    assert find_motion_beats(noise).clear.mean() < 0.1


def test_stretches_are_covered_by_clear_windows_and_do_not_overlap():
    found = find_motion_beats(seismocardiogram(72, 0.1)[0])
    clear = np.zeros(60, bool)
    clear[[9, 10, 11, 12, 20, 21, 22, 23, 24, 25, 26, 27, 50]] = True
    stretches = clear_stretches(type(found)(found.times_s, found.likeness, clear, found.bpm))
    assert stretches == [(0.0, 13.0), (13.0, 28.0)]  # the single window at the end is shorter than 12 s
