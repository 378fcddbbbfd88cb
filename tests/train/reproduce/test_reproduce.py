"""Tests the reproduction of the paper: every target, an interrupt, the splits; the networks are mostly artificial."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from tests.helpers.people import write_people
from train.data.dataset import load_dataset
from train.data.labels import clean_ecg
from train.data.peaks import find_beats
from train.data.splits import Fold
from train.reproduce import __main__ as command
from train.reproduce import frameworks, strategies
from train.reproduce.distributions import out_of_fold
from train.reproduce.paper_values import TABLE_I
from train.reproduce.study import covers

PRESET = """
model = "compact"
[data]
set = "unused.toml"
points = 3
[training]
epochs = 1
steps = 1
batch = 4
"""
NAMES = ("radarODE-MTL", "MMECG")
"""Artificial networks."""


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people"))


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(PRESET)
    return path


@pytest.fixture
def made(monkeypatch):
    """Networks that are trained at once and return the true ECG, 10 ms late for MMECG; the names of all trainings."""
    made = []

    def artificial(name):
        def train(config, data, folder):
            made.append(folder.name)

        def load(folder):
            def ecg_of(trial):
                truth = clean_ecg(trial.ecg, find_beats(trial)).astype(np.float64)
                return np.roll(truth, 2 if name == "MMECG" else 0), np.ones(len(truth), bool)

            return ecg_of

        return frameworks.Framework(train, load)

    def figures_of(row, config, data, folder):
        made.append(f"{row}-{config.seed}")
        better = 0.5 if row == "ega-1" else 1.0
        return {"rmse": 0.1 * better, "pcc": 0.8, "ppi_error_ms": 10.0, "window_r_timing_ms": 8.0, "window_mdr": 0.05}

    monkeypatch.delitem(frameworks.FRAMEWORKS, "radarODE")  # two are enough
    for name in NAMES:
        monkeypatch.setitem(frameworks.FRAMEWORKS, name, artificial(name))
    monkeypatch.setattr(
        command, "table_two", lambda preset, seeds, out, workers: iter([f"scenes {preset}, {seeds} seeds"])
    )
    monkeypatch.setattr(strategies, "figures_of", figures_of)
    return made


def arguments(preset, people, out, *targets, more=()):
    data = ["--data", os.fspath(people), "--preset", os.fspath(preset)]
    return [*targets, *data, "--out", os.fspath(out), "--processes", "1", *more]


def test_every_table_and_figure_is_made_once(preset, people, tmp_path, made, capsys):
    run = arguments(preset, people, tmp_path / "out", "all", more=("--seeds", "2"))
    assert command.main(run) == 0
    assert "people has 4 trials, not MMECG's 91: only the split by subject" in capsys.readouterr().out
    report = (tmp_path / "out" / "report.md").read_text()
    for target, title in command.TITLES.items():
        assert f"## {title}{'' if target == command.SCENES else ', split by subject'}\n" in report
    assert "people, 4 trials, split by subject; fold 1 of 4, which tests p" in report
    assert "compact, 1 steps of 4 windows of 3 points; seeds 1 to 2." in report
    assert "| stl | 0.100 ± 0.000 (0.106) |" in report
    assert "| ega-1 | 0.050 ± 0.000 (0.085) |" in report
    assert "| radarODE-MTL, white, extensive 3 s |" in report
    assert report.count("(-8.74)") == 1
    assert "| radarODE-MTL, movement, mild 1 s |" in report
    mmecg = next(line for line in report.splitlines() if line.startswith("| MMECG | ") and "(14)" in line)
    assert mmecg.count("10") >= 4  # Q, R, S, T are 10 ms late
    for number in (5, 6, 7, 8):
        assert (tmp_path / "out" / "subject" / f"fig{number}.png").stat().st_size > 10_000
    networks = [f"{name}-fold{fold}" for name in NAMES for fold in (1, 2, 3, 4)]
    assert sorted(made) == sorted([*networks, *(f"{row}-{seed}" for row in TABLE_I for seed in (1, 2))])
    before = len(made)
    assert command.main(run) == 0
    assert len(made) == before


def test_an_interrupted_reproduction_is_resumed(preset, people, tmp_path, made, monkeypatch):
    whole = strategies.figures_of

    def stop(row, *about):
        if row == "dwa" and not list((tmp_path / "out").rglob("stopped")):
            (tmp_path / "out" / "stopped").touch()
            raise KeyboardInterrupt
        return whole(row, *about)

    monkeypatch.setattr(strategies, "figures_of", stop)
    run = arguments(preset, people, tmp_path / "out", "table1", more=("--split", "subject"))
    assert command.main(run) == 130
    partial = (tmp_path / "out" / "report.md").read_text()
    assert "| gls |" in partial
    assert "| dwa |" not in partial
    assert command.main(run) == 0
    assert sorted(made) == sorted(f"{row}-1" for row in TABLE_I)


def test_the_papers_split_needs_91_trials(preset, people, tmp_path, made, capsys):
    assert command.main(arguments(preset, people, tmp_path / "out", "table1", more=("--split", "paper"))) == 2
    assert "4 trials, not the 91 of MMECG that the paper's split is defined for; use a split by subject" in (
        capsys.readouterr().err
    )
    assert made == []


def test_a_holdout_is_replaced_by_folds_that_test_everybody(preset, tmp_path, made):
    people = write_people(tmp_path / "people", split='[split]\nkind = "holdout"\n')
    assert command.main(arguments(preset, people, tmp_path / "out", "fig6")) == 0
    rows = [json.loads(path.read_text())["trials"] for path in (tmp_path / "out" / "subject").glob("trials-MMECG-*")]
    assert sorted(row["trial"] for fold in rows for row in fold) == ["1", "2", "3", "4"]


def test_folds_that_do_not_test_every_trial_once_are_refused(people):
    data = load_dataset(people)
    rows = [{"trial": name} for name in ("1", "2", "3")]
    with pytest.raises(InputError, match=r"people: trial 4 is in the test part of 0 folds.*k-fold"):
        out_of_fold(data, [rows])
    with pytest.raises(InputError, match="trial 2 is in the test part of 2 folds"):
        out_of_fold(data, [rows, [{"trial": "4"}, {"trial": "2"}]])
    assert len(out_of_fold(data, [rows, [{"trial": "4"}]])) == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"compact"', '"reference"', r"trial 1 has 3 points, the network reference takes 50; choose a --preset"),
        ("steps = 1", "step = 1", "small.toml: .*step"),
    ],
)
def test_settings_that_do_not_fit_are_refused(preset, people, tmp_path, capsys, old, new, message):
    preset.write_text(PRESET.replace(old, new))
    assert command.main(arguments(preset, people, tmp_path / "out", "table1")) == 2
    err = capsys.readouterr().err
    assert re.search(message, err)
    assert len(err.splitlines()) == 1


@pytest.mark.slow  # trains three networks
def test_real_networks_are_trained_and_drawn(preset, people, tmp_path):
    assert command.main(arguments(preset, people, tmp_path / "out", "fig5")) == 0
    trained = {path.name for path in (tmp_path / "out" / "subject" / "networks").iterdir()}
    assert trained == {f"{name}-fold1" for name in frameworks.FRAMEWORKS}
    assert (tmp_path / "out" / "subject" / "fig5.png").stat().st_size > 10_000


def test_scenes_need_no_data_and_all_others_do(tmp_path, made, capsys):
    assert command.main(["table2", "--scenes", "nyuv2", "--out", os.fspath(tmp_path / "out")]) == 0
    assert "scenes nyuv2, 1 seeds" in (tmp_path / "out" / "report.md").read_text()
    with pytest.raises(SystemExit):
        command.main(["table1", "--out", os.fspath(tmp_path / "out")])
    assert "--data is required" in capsys.readouterr().err


def test_a_split_by_trial_is_not_one_by_subject(people):
    data = load_dataset(people)
    assert covers(data, data.folds)
    assert not covers(data, data.folds[:2])
    assert not covers(data, tuple(replace(fold, by="trial") for fold in data.folds))
    assert not covers(data, (Fold(("p1",), ("p2",), ("p3", "p4")),))
