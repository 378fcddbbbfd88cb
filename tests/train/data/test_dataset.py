"""Tests loading data sets from TOML files, and splits without a subject in two parts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.errors import InputError
from edge.core.spec import RCG_RATE_HZ
from train.data.dataset import DataSetError, load_dataset, part_of, with_split, with_windows
from train.data.readers import mmecg
from train.data.splits import (
    Fold,
    Holdout,
    KFold,
    LeaveSubjectOut,
    PaperTrials,
    SplitError,
    split_subjects,
    split_trials,
)
from train.data.trial import Trial
from train.data.workers import LocalWorkers

SPLITS = st.one_of(
    st.builds(Holdout, st.integers(), st.floats(0.01, 0.4), st.floats(0.01, 0.4)),
    st.builds(KFold, st.integers(), st.integers(3, 6)),
    st.builds(LeaveSubjectOut, st.integers()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=5), min_size=6, max_size=30, unique=True), SPLITS, st.randoms())
def test_no_subject_is_in_two_parts_and_none_is_lost(subjects, split, random):
    folds = split_subjects(subjects, split)
    for fold in folds:
        assert fold.train
        assert fold.validation
        assert fold.test
        assert sorted(fold.train + fold.validation + fold.test) == sorted(subjects)
    if not isinstance(split, Holdout):
        assert sorted(name for fold in folds for name in fold.test) == sorted(subjects)
        assert sorted(name for fold in folds for name in fold.validation) == sorted(subjects)
    again = subjects * 2
    random.shuffle(again)
    assert split_subjects(again, split) == folds


def test_shares_folds_and_seeds():
    subjects = [str(k) for k in range(20)]
    (fold,) = split_subjects(subjects, Holdout(1, validation=0.1, test=0.2))
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (14, 2, 4)
    assert split_subjects(subjects, Holdout(2)) != split_subjects(subjects, Holdout(1))
    assert [len(fold.test) for fold in split_subjects(subjects, KFold(folds=5))] == [4] * 5
    assert [len(fold.test) for fold in split_subjects(subjects, LeaveSubjectOut())] == [1] * 20


def test_too_few_subjects_are_refused():
    for split in (Holdout(), LeaveSubjectOut(), KFold(folds=3)):
        with pytest.raises(SplitError, match=r"2 subjects \(.*, .*\) for a split that needs 3"):
            split_subjects(["a", "b", "b"], split)
    with pytest.raises(SplitError, match="none is left to train"):
        split_subjects("abc", Holdout(validation=0.5, test=0.5))


def test_the_papers_split_covers_its_91_trials():
    names = [str(number) for number in range(1, 92)]
    folds = split_trials(names)
    assert folds[0].test == tuple(str(number) for number in range(75, 85))
    assert [len(fold.test) for fold in folds] == [10] * 8 + [11]
    assert sorted(name for fold in folds for name in fold.test) == sorted(names)
    assert sorted(name for fold in folds for name in fold.validation) == sorted(names)
    for fold in folds:
        assert sorted(fold.train + fold.validation + fold.test) == sorted(names)
        assert 70 <= len(fold.train) <= 71
    for count in (90, 92):
        with pytest.raises(SplitError, match=f"{count} trials, not the 91 of MMECG .*; use a split by subject"):
            split_trials(names[:1] * count)


def test_a_part_of_a_split_by_trial_has_those_trials(toml):
    data = replace(load_dataset(toml), folds=(Fold(("1", "2"), ("3",), ("4",), "trial"),))
    assert [r.trial.name for r in part_of(data, "train")] == ["1", "2"]
    assert [r.trial.name for r in part_of(data, "test")] == ["4"]
    with pytest.raises(SplitError, match="4 trials, not the 91"):
        with_split(data, PaperTrials())


TOML = """
name = "mine"
reader = "mmecg"
path = "trials"
points = 2
[split]
kind = "leave-subject-out"
seed = 3
"""


@pytest.fixture
def toml(tmp_path):
    (tmp_path / "trials").mkdir()
    rng = np.random.default_rng(1)
    for number, seconds in enumerate((7, 8, 7, 9, 3), 1):
        n = round(seconds * RCG_RATE_HZ)
        noise = rng.standard_normal((4, n)).astype(np.float32)
        r_peaks_s = np.arange(0.1, seconds, 0.8)
        ecg = np.exp(-((np.arange(n) / RCG_RATE_HZ - r_peaks_s[:, None]) ** 2) / 2e-4).sum(axis=0).astype(np.float32)
        of = Trial(str(number), f"s{number % 3}", noise[:3], ecg, r_peaks_s, points_m=rng.random((3, 3)))
        mmecg.write(of, tmp_path / "trials" / f"{number}.mat")
    (tmp_path / "mine.toml").write_text(TOML)
    return tmp_path / "mine.toml"


def test_a_data_set_follows_its_file(toml, caplog):
    data = load_dataset(toml)
    assert (data.name, [r.trial.name for r in data.recordings]) == ("mine", ["1", "2", "3", "4"])
    assert "5: left out, 3.0 s hold no window" in caplog.text
    for recording in data.recordings:
        assert recording.trial.rcg.shape[0] == len(recording.trial.points_m) == 2
        assert len(recording.labels.piece) > 0
        assert recording.labels.has_piece.all()
    assert sorted(fold.test for fold in data.folds) == [("s0",), ("s1",), ("s2",)]
    assert [r.trial.name for r in data.of(("s1",))] == ["1", "4"]
    kept = sum(len(r.labels.window) for r in data.recordings)
    assert kept + sum(data.excluded.values()) == 11


@pytest.mark.usefixtures("in_process")
def test_windows_are_kept_on_the_disk(toml):
    cache = toml.parent / "windows"
    data = with_windows(load_dataset(toml), cache, workers=LocalWorkers(1))
    assert [r.windows.shape for r in data.recordings] == [(k, 2, 71, 120) for k in (2, 3, 2, 4)]
    written = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    with_windows(load_dataset(toml), cache)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == written


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("points = 2", "point = 2", DataSetError, r"mine.toml: .*`point`"),
        ("points = 2", "points = 0", DataSetError, "points"),
        ("seed = 3", "folds = 3", DataSetError, "folds"),
        ("leave-subject-out", "random", DataSetError, "random"),
        ('"mmecg"', '"mmecgs"', DataSetError, "no reader 'mmecgs'; there are .*mmecg"),
        ('"trials"', '"none"', InputError, "none: no such folder"),
        ('kind = "leave-subject-out"', 'kind = "k-fold"', SplitError, "needs 5"),
        ("[split]", "[split", DataSetError, "mine.toml"),
    ],
)
def test_a_description_that_cannot_be_followed_is_refused(toml, old, new, error, message):
    toml.write_text(TOML.replace(old, new))
    with pytest.raises(error, match=message):
        load_dataset(toml)
