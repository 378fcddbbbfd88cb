"""Tests that a network of whole ECGs is measured as one of windows: with the true ECG, a late one, and none."""

import numpy as np
import pytest

from edge.core.spec import SST_WINDOW
from tests.helpers.oracle import shaking_chest
from train.data.labels import clean_ecg, label
from train.evaluation.figures import examine
from train.evaluation.long_ecg import LongEcg, window_outputs
from train.evaluation.summary import summarise


class Given(LongEcg):
    """Returns the true ECG, `late` samples too late and `scale` times as high."""

    def __init__(self, labels, late=0, scale=1.0):
        self.labels, self.late, self.scale = labels, late, scale

    def compute_ecg(self, trial):
        return self.scale * np.roll(clean_ecg(trial.ecg, self.labels.beats).astype(np.float64), self.late)


@pytest.fixture(scope="module")
def trial():
    return shaking_chest()


@pytest.fixture(scope="module")
def labels(trial):
    return label(trial)


def test_the_true_ecg_gets_full_marks(trial, labels):
    figures, reconstruction = examine(Given(labels), trial, labels)
    row = summarise([figures])
    assert row["windows"] == len(labels.window)
    assert row["pcc"] > 0.999
    assert row["rmse"] < 0.01
    assert row["long_pcc"] == pytest.approx(1)
    assert row["long_rmse"] == pytest.approx(0, abs=1e-6)
    assert row["known"] == 1
    assert row["mdr"] == 0
    assert row["ppi_error_ms"] < 2.5  # half a sample of each R peak
    assert row["r_timing_ms_median"] <= 2.5
    assert row["hr_error_bpm_median"] < 0.5
    assert reconstruction.valid_mask.all()


def test_a_late_ecg_is_late_by_as_much(trial, labels):
    row = summarise([examine(Given(labels, late=8), trial, labels)[0]])
    assert row["r_timing_ms_median"] == pytest.approx(40, abs=2.5)
    assert row["window_r_timing_ms"] == pytest.approx(40, abs=2.5)
    assert row["pcc"] > 0.99  # a piece is cut at its own R peak
    assert row["long_pcc"] < 0.6 < 0.98 < row["lag_pcc"]


def test_no_ecg_finds_no_beat(trial, labels):
    row = summarise([examine(Given(labels, scale=0), trial, labels)[0]])
    assert row["mdr"] == 1
    assert row["hr_right"] == row["long_pcc"] == row["pcc"] == 0


def test_window_outputs_are_distributions_around_the_beats():
    ecg = np.random.default_rng(1).standard_normal(3000)
    r = np.array([1010.25, 1160.5, 1330.0, 1500.0, 1670.0, 1900.0])
    outputs = window_outputs(ecg, r, 1000)
    assert outputs.anchor.sum() == pytest.approx(1, abs=1e-5)
    assert outputs.cycle.sum() == pytest.approx(1, abs=1e-5)
    tops = [int(outputs.anchor[max(0, int(x) - 20) : int(x) + 20].argmax()) + max(0, int(x) - 20) for x in r[:5] - 1000]
    assert tops == [10, 160, 330, 500, 670]
    assert outputs.cycle.argmax() == 170 - 60  # from the beat at 1330, the nearest to the middle
    assert r[2] < 1000 + SST_WINDOW / 2 < r[3]
