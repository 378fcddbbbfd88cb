"""Tests the correction of the clock offset between radar and ECG."""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.oracle import oracle, shaking_chest
from train.data.dataset import DataSet, Recording
from train.data.labels import label
from train.training.clock_alignment import aligned, aligned_motion, later


@pytest.mark.parametrize("samples", [0, 30, -30])
def test_the_ecg_comes_later_and_the_chest_stays(samples):
    before = replace(shaking_chest(), moving=np.arange(8000) < 3000)
    after = later(before, samples)
    cut = max(0, samples)
    assert after.moving.sum() == 3000 - cut
    np.testing.assert_array_equal(after.rcg, before.rcg[:, cut : cut + after.rcg.shape[1]])
    inside = slice(100, -100)
    np.testing.assert_array_equal(after.ecg[inside], before.ecg[inside.start + cut - samples :][: len(after.ecg) - 200])
    moved = before.r_peaks_s + samples / 200 - cut / 200
    np.testing.assert_allclose(after.r_peaks_s, moved[(moved >= 0) & (moved < after.seconds)])
    assert later(replace(before, r_peaks_s=None), samples).r_peaks_s is None


@pytest.mark.parametrize("late", [30, -30])
def test_a_set_is_aligned_with_the_networks_beats(late):
    trial = shaking_chest()
    labels = label(trial)
    data = DataSet("off", (Recording(trial, labels),), ())
    (moved,) = aligned(oracle(labels, late), data).recordings
    found = moved.labels.beats.r_peaks + max(0, late)  # in the samples of the chest as it was
    nearest = np.abs(found[:, None] - labels.beats.r_peaks - late).min(axis=1)
    assert len(found) >= len(labels.beats.r_peaks) - 1
    assert nearest.max() <= 1


@pytest.mark.parametrize("late", [16, 80])
def test_the_beats_of_a_motion_are_aligned_with_the_networks(late):
    """The first heart sound may be 80 ms after R, the second 400 ms."""
    trial = shaking_chest()
    labels = label(trial)
    motion = replace(trial, ecg=None, r_peaks_s=trial.r_peaks_s[:-1] + late / 200)
    (moved,) = aligned_motion(oracle(labels), DataSet("motion", (Recording(motion, label(motion)),), ())).recordings
    true = labels.beats.r_peaks
    nearest = np.abs(moved.labels.beats.r_peaks[:, None] - true).min(axis=1)
    assert len(moved.labels.beats.r_peaks) >= len(true) - 3
    assert nearest.max() <= 1


def test_a_motion_whose_beats_are_not_the_networks_is_left_out():
    trial = shaking_chest()
    other = replace(trial, ecg=None, r_peaks_s=np.arange(1, 39, 1.7))
    data = DataSet("motion", (Recording(other, label(other)),), ())
    assert not aligned_motion(oracle(label(trial)), data).recordings
