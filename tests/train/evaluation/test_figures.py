"""Tests the evaluation with artificial networks: correct, delayed, and with uniform outputs."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, ECG_PIECE_SAMPLES
from edge.core.types import TaskOutputs
from tests.helpers.oracle import oracle, shaking_chest
from train.data.dataset import Recording
from train.data.labels import label
from train.data.trial import Trial
from train.evaluation import report
from train.evaluation.delta_m import NOISE_TASKS, delta_m
from train.evaluation.figures import constant_lag_ms, examine, metronome
from train.evaluation.noise_tests import ABRUPT_SHARE, TESTS, add_noise
from train.evaluation.summary import LONG_TERM_METRICS, WINDOW_METRICS, metrics, summarise, trial_rows


@pytest.fixture(scope="module")
def trial():
    return shaking_chest()


@pytest.fixture(scope="module")
def labels(trial):
    return label(trial)


@pytest.fixture(scope="module")
def short():
    """12 s for a network with uniform outputs, which take long to stitch."""
    trial = shaking_chest(2400)
    return trial, label(trial)


def mute(values):
    flat = np.full(ANCHOR_CLASSES, 1 / ANCHOR_CLASSES), np.full(CYCLE_CLASSES, 1 / CYCLE_CLASSES)
    return [TaskOutputs(np.zeros(ECG_PIECE_SAMPLES), *flat) for _ in values]


def test_who_knows_the_truth_gets_full_marks(trial, labels):
    row = summarise([examine(oracle(labels), trial, labels)[0]])
    assert row["pcc"] > 0.999
    assert row["rmse"] < 0.01
    assert row["ppi_error_ms"] < 0.01
    assert row["window_r_timing_ms"] < 0.01
    assert row["window_mdr"] == 0
    assert row["long_pcc"] > 0.97
    assert row["known"] > 0.85
    assert row["r_timing_ms_median"] <= 2.5
    assert row["mdr"] == 0
    assert row["f1"] == 1
    assert row["hr_right"] == 1
    assert row["hr_error_bpm_median"] < 0.5
    assert row["ecg_mdr"] == 0
    assert row["ecg_r_timing_ms_median"] <= 2.5
    assert row["ecg_hr_error_bpm_median"] < 0.5
    assert row["t_timing_ms_median"] <= 5


def test_who_is_late_is_told_how_much(trial, labels):
    figures, _ = examine(oracle(labels, late=10), trial, labels)
    row = summarise([figures])
    assert figures.lag_ms == pytest.approx(50, abs=5)
    assert row["r_timing_ms_median"] == pytest.approx(50, abs=2.5)
    assert row["window_r_timing_ms"] == pytest.approx(50, abs=0.01)
    assert row["ecg_r_timing_ms_median"] == pytest.approx(50, abs=2.5)
    assert row["t_timing_ms_median"] == pytest.approx(50, abs=5)
    assert row["long_pcc"] < 0.5 < 0.95 < row["lag_pcc"]
    assert row["hr_error_bpm_median"] < 0.5


def test_who_says_nothing_gets_nothing(short, trial, labels):
    row = summarise([examine(mute, *short)[0]])
    assert row["mdr"] == 1
    assert row["window_mdr"] == row["ecg_mdr"] == 1
    assert row["hr_right"] == row["f1"] == 0
    assert row["hr_error_bpm_median"] is None
    assert row["known"] == row["long_pcc"] == 0
    assert_worse(row, trial, labels, WINDOW_METRICS)
    assert_worse(row, trial, labels, LONG_TERM_METRICS)


def assert_worse(silent, trial, labels, keys):
    """Nothing is worse than late, late is worse than in time; a baseline that never errs compares nothing."""
    known = {keys["mdr"]: 0.01, keys["r_timing_ms"]: 1.0, keys["rmse"]: 0.05}
    perfect = summarise([examine(oracle(labels), trial, labels)[0]])
    late = summarise([examine(oracle(labels, late=10), trial, labels)[0]]) | {keys["mdr"]: 0.01, keys["rmse"]: 0.05}
    base = metrics(perfect | known, keys)
    assert delta_m(metrics(silent, keys), base, NOISE_TASKS) < delta_m(metrics(late, keys), base, NOISE_TASKS) < 0
    assert math.isnan(delta_m(metrics(silent, keys), metrics(perfect, keys), NOISE_TASKS))


def test_each_trial_keeps_its_own_figures(trial, labels):
    figures = [replace(examine(oracle(labels), trial, labels)[0], name=name) for name in ("1", "2")]
    first, second = trial_rows(figures)
    assert (first["trial"], second["trial"], first["subject"]) == ("1", "2", "nobody")
    assert first["mdr"] == 0
    assert json.dumps(first)


def test_a_metronome_keeps_the_rate_alone():
    ends = np.array([2000.0, 4000.0, 6000.0])
    ticks = metronome(np.array([60.0, np.nan, 120.0]), ends, 2000)
    np.testing.assert_allclose(ticks[:10], np.arange(10) * 200)
    np.testing.assert_allclose(ticks[10:], 4000 + np.arange(20) * 100)
    assert constant_lag_ms(np.arange(0, 4000, 170.0) + 20, np.arange(0, 4000, 170.0)) == 100


@pytest.mark.parametrize("test", ["constant -3 dB", "white, extensive 3 s", "movement, extensive 3 s"])
def test_noise_has_the_stated_strength(trial, test):
    """A movement that the trial has itself does not make it stronger."""
    loud = trial.rcg.copy()
    loud[:, 800:1600] *= 30
    for rcg in (trial.rcg, loud):
        of = Trial(trial.name, "nobody", rcg, trial.ecg, trial.r_peaks_s)
        added = add_noise(of, test).rcg - rcg
        kind, snr_db, seconds = TESTS[test]
        hit = np.abs(added).max(axis=0) > 0
        assert hit.mean() == pytest.approx(ABRUPT_SHARE * seconds / 4 if seconds else 1, abs=0.02)
        found_db = 10 * np.log10(np.square(trial.rcg).mean() / np.square(added[:, hit]).mean())
        assert found_db == pytest.approx(snr_db, abs=1.0)
        assert (np.abs(np.diff(added[:, hit])).mean() > 0.5 * np.abs(added[:, hit]).mean()) == (kind == "white")


def test_the_papers_noise_tests_are_all_there():
    white = [test for test, (kind, *_) in TESTS.items() if kind == "white"]
    assert len(white) == 6 + 6
    assert len(TESTS) == 12 + 6


def test_the_table_of_noise_survives_a_network_that_never_errs(short, monkeypatch):
    trial, labels = short
    few = {name: TESTS[name] for name in ("constant +0 dB", "white, mild 1 s")}
    monkeypatch.setattr(report, "TESTS", few)
    clean = summarise([examine(oracle(labels), trial, labels)[0]]) | {"window_mdr": 0.0}
    rows = report.noise_table(mute, [Recording(trial, labels)], clean)
    assert set(rows) == set(few)
    assert all(row[key] is None for row in rows.values() for key in report.NOISE_DELTAS)
