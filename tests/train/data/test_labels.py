"""Tests labels against known beats, the exclusion of implausible beats, and the causality of windows."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, ECG_PIECE_SAMPLES, RCG_RATE_HZ
from edge.dsp.sst.transform import spectrograms
from train.data.labels import label
from train.data.readers.table import READERS
from train.data.spectrograms import count_windows, window_samples
from train.data.trial import Trial

WAVES = ((-0.18, 0.15, 0.03), (-0.03, -0.1, 0.01), (0, 1.0, 0.012), (0.03, -0.2, 0.012), (0.28, 0.3, 0.06))  # P to T


def trial(beats_s: np.ndarray, seconds: float = 20.0, **more) -> Trial:
    """An ECG with R peaks at these times, of little noise."""
    t_s = np.arange(round(seconds * RCG_RATE_HZ)) / RCG_RATE_HZ
    since = t_s - beats_s[:, None]
    ecg = sum(height * np.exp(-(((since - at) / width) ** 2) / 2) for at, height, width in WAVES).sum(axis=0)
    noise = np.random.default_rng(1).normal(0, 0.003, (2, len(t_s)))
    return Trial("a", "b", noise[:1].astype(np.float32), (ecg + noise[1]).astype(np.float32), **more)


def every(cycle_s: float, seconds: float = 20.0) -> np.ndarray:
    return np.arange(0.3137, seconds, cycle_s)


@pytest.mark.parametrize("cycle_s", [pytest.param(0.4, marks=pytest.mark.slow), 0.8537, 1.4])
def test_beats_are_labelled_where_and_as_long_as_they_are(cycle_s):
    r = every(cycle_s) * RCG_RATE_HZ
    found = label(trial(every(cycle_s)))
    assert not found.excluded
    assert found.window.tolist() == list(range(count_windows(4000)))
    for row, start in enumerate(found.start):
        inside = r[(r > start) & (r < start + 799)] - start
        at = np.flatnonzero(found.anchors[row])
        assert np.abs(at - inside[:, None]).min(axis=1).max() < 0.8
        assert abs(len(at) - len(inside)) <= 1
        assert abs(found.beat[row] - 400) <= cycle_s * RCG_RATE_HZ / 2 + 0.5
        assert np.abs(inside - found.beat[row]).min() < 0.3
    np.testing.assert_allclose(found.length, cycle_s * RCG_RATE_HZ, atol=0.3)
    np.testing.assert_array_equal(found.cycle, round(cycle_s * RCG_RATE_HZ) - CYCLE_MIN)
    assert set(found.piece[found.has_piece].argmax(axis=1)) <= {66, 67}


def test_known_r_peaks_are_taken_as_they_are():
    r_peaks_s = every(0.8537)
    found = label(trial(r_peaks_s, r_peaks_s=r_peaks_s))
    start = int(found.start[3])
    r = r_peaks_s * RCG_RATE_HZ - start
    np.testing.assert_array_equal(np.flatnonzero(found.anchors[3]), np.rint(r[(r >= -0.5) & (r < 799.5)]))
    np.testing.assert_allclose(found.length, 170.74)
    assert found.beat[3] == r[np.abs(r - 400).argmin()]


def test_a_piece_is_independent_of_the_ecg_s_unit_drift_and_mains():
    plain = trial(every(0.8537))
    t_s = np.arange(4000) / RCG_RATE_HZ
    other = 350 * (plain.ecg + 2 + np.sin(2 * np.pi * 0.1 * t_s) + 0.1 * np.sin(2 * np.pi * 60 * t_s))
    one, two = label(plain).piece, label(replace(plain, ecg=other.astype(np.float32))).piece
    assert one.shape[1] == ECG_PIECE_SAMPLES
    np.testing.assert_allclose(one, two, atol=0.06)
    for piece in one:
        assert np.ptp(piece[50:85]) == pytest.approx(1, abs=0.03)
        assert np.median(piece) == pytest.approx(0, abs=0.1)
        assert 110 < 85 + piece[85:].argmax() < 145  # the T wave, 0.28 s of 0.85 after R


def test_r_peaks_alone_give_no_piece():
    r_peaks_s = every(0.8)
    found = label(replace(trial(r_peaks_s), ecg=None, r_peaks_s=r_peaks_s))
    assert len(found.window) == count_windows(4000)
    assert not found.has_piece.any()
    assert np.isnan(found.piece).all()


@pytest.mark.parametrize(
    ("change", "rhythm", "reason"),
    [
        (lambda r: np.delete(r, 12), None, "outlier"),
        (lambda r: np.delete(r, [12, 13, 14]), "af", "cycle"),
        (lambda r: np.sort([*r, r[12] + 0.4]), None, "outlier"),
        (lambda r: np.sort([*r, r[12] + 0.4]), "af", "shape"),
    ],
)
def test_windows_with_an_implausible_beat_are_excluded(change, rhythm, reason):
    r = every(0.8, 30)
    found = label(replace(trial(r, 30, rhythm=rhythm), r_peaks_s=change(r)))
    assert found.beats.reasons[reason]
    at = r[12] * RCG_RATE_HZ
    assert found.excluded["implausible"] >= 4
    assert all(s > at or s + 800 < at + 0.8 * RCG_RATE_HZ for s in found.start)
    assert len(found.window) >= 10


def test_fibrillation_may_be_irregular_and_ectopic_beats_odd():
    r = np.cumsum(np.random.default_rng(2).uniform(0.45, 1.1, 24))
    assert label(trial(r, r[-1] + 0.2)).excluded
    assert not label(trial(r, r[-1] + 0.2, rhythm="af")).beats.reasons["cycle"]
    assert not label(trial(r, r[-1] + 0.2, rhythm="af")).excluded
    shapeless = replace(trial(every(0.8), rhythm="ectopic"), r_peaks_s=every(0.8) + 0.3 * (np.arange(25) == 9))
    assert not label(shapeless).excluded


def test_windows_with_an_expected_but_unknown_beat_are_excluded():
    r = every(0.8)
    early = label(trial(r, r_peaks_s=r[(r > 4.5) & (r < 15.5)]))
    assert early.excluded == {"edge": len(range(count_windows(4000))) - len(early.window)}
    assert early.start.min() >= 3.7 * RCG_RATE_HZ
    assert (early.start + 800).max() <= 16.3 * RCG_RATE_HZ
    assert label(trial(r, r_peaks_s=r[:1])).excluded == {"beats": count_windows(4000)}
    assert label(replace(trial(r), ecg=np.zeros(4000, np.float32))).excluded == {"beats": count_windows(4000)}


@pytest.mark.parametrize(
    "ecg",
    [
        np.random.default_rng(1).standard_normal(4000),
        np.arange(4000.0),
        np.eye(1, 4000, 2000)[0],
        np.sin(np.arange(4000.0) / 20),
    ],
    ids=["noise", "ramp", "spike", "sine"],
)
def test_an_ecg_without_beats_gives_no_labels(ecg):
    found = label(replace(trial(every(0.8)), ecg=ecg.astype(np.float32)))
    assert len(found.window) == 0
    assert found.piece.shape == (0, ECG_PIECE_SAMPLES)


def test_a_cycle_too_long_for_its_classes_is_left_out():
    for over, cycles, excluded in ((0, {CYCLE_CLASSES - 1}, set()), (1, set(), {"length"})):
        r = np.arange(0.2, 40, (CYCLE_MIN + CYCLE_CLASSES - 1 + over) / RCG_RATE_HZ)
        found = label(trial(r, 40, r_peaks_s=r))
        assert (set(found.cycle), set(found.excluded) - {"edge"}) == (cycles, excluded)


def test_movement_is_a_share_of_the_window():
    moving = np.arange(4000) < 800
    found = label(trial(every(0.8), moving=moving))
    np.testing.assert_allclose(found.moving[:4], [0.5, 0.25, 0, 0])
    assert np.isnan(label(trial(every(0.8))).moving).all()


def test_labels_belong_to_the_window_s_own_samples_and_nothing_later_is_in_it():
    x = np.random.default_rng(1).standard_normal((2, 3000))
    changed = x.copy()
    at = window_samples(3).stop
    changed[:, at:] *= -100
    before, after = ([window.values for _, window in spectrograms(rcg)] for rcg in (x, changed))
    assert len(before) == count_windows(3000)
    np.testing.assert_array_equal(before[:4], after[:4])
    assert all((a != b).any() for a, b in zip(before[4:], after[4:], strict=True))


@pytest.mark.parametrize(("name", "kept"), [("ustc_af", 0.95), ("phase80", 0.99), ("bgt60", 0.99)])
def test_real_sets_have_plausible_beats(real_data, name, kept):
    windows = usable = 0
    rates_bpm = []
    for recording in READERS[name](real_data / name):
        found = label(recording)
        windows += count_windows(recording.rcg.shape[1])
        usable += len(found.window)
        assert len(found.window) + sum(found.excluded.values()) == count_windows(recording.rcg.shape[1])
        assert found.has_piece.all() == (recording.ecg is not None)
        if recording.rhythm != "af":
            rates_bpm.extend(60 * RCG_RATE_HZ / found.length)
        assert (np.diff(found.beats.r_peaks) > 0).all()
    assert usable / windows > kept
    assert 40 < min(rates_bpm) < 80 < max(rates_bpm) < 140
