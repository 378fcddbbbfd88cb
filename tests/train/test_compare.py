"""Tests the comparison: every network is trained once despite interrupts, and the table's figures are correct."""

import json
import os

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.types import TaskOutputs
from tests.helpers.people import write_people
from train import compare
from train.data.workers import LocalWorkers
from train.training import strategy_table
from train.training.batches import Batches
from train.training.cached_work import OtherWorkError, cached_json, check_settings
from train.training.loop import Trainer

PRESET = """
model = "compact"
[data]
set = "people.toml"
points = 2
[training]
epochs = 2
steps = 2
batch = 4
"""


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    path = write_people(tmp_path_factory.mktemp("people")).with_name("small.toml")
    path.write_text(PRESET)
    return os.fspath(path)


def row(rmse, pcc, ppi_ms, r_ms, mdr):
    figures = {"rmse": rmse, "pcc": pcc, "ppi_error_ms": ppi_ms, "window_r_timing_ms": r_ms, "window_mdr": mdr}
    return {**figures, "r_timing_ms_median": 999.0}


def test_the_table_has_mean_spread_and_change_against_the_baselines_mean():
    lines = strategy_table.table(
        {
            "stl": [row(0.10, 0.8, 10.0, 8.0, 0.04), row(0.10, 0.8, 10.0, 8.0, 0.06)],
            # Better by 20 and 10 % (mean 15), 50 %, 25 and 40 % (32.5): 32.5 in the mean. The other: as the baseline.
            "ew": [row(0.08, 0.88, 5.0, 6.0, 0.03), row(0.10, 0.8, 10.0, 8.0, 0.05)],
            "uw": [row(0.10, None, 10.0, 8.0, 0.05), row(0.10, 0.8, 10.0, 8.0, 0.05)],
        }
    ).splitlines()
    assert lines[0] == "| | RMSE | PCC % | PPI ms | R ms | MDR % | Delta_m % |"
    # MDR 20 % better or worse is 10 % of its task's two figures and a third of that in all: 3.3.
    assert lines[2] == "| stl | 0.100 ± 0.000 | 80.0 ± 0.0 | 10.0 ± 0.0 | 8.0 ± 0.0 | 5.0 ± 1.4 | 0.0 ± 4.7 |"
    assert lines[3] == "| ew | 0.090 ± 0.014 | 84.0 ± 5.7 | 7.5 ± 3.5 | 7.0 ± 1.4 | 4.0 ± 1.4 | 16.2 ± 23.0 |"
    assert lines[4] == "| uw | 0.100 ± 0.000 | -- | 10.0 ± 0.0 | 8.0 ± 0.0 | 5.0 ± 0.0 | -- |"


def test_published_values_stand_beside():
    rows = {"stl": [row(0.10, 0.8, 10.0, 8.0, 0.05)]}
    lines = strategy_table.table(rows, {"stl": (0.106, 86.6, 9.6, 7.5, 6.67, 0.0)}).splitlines()
    assert lines[2] == "| stl | 0.100 (0.106) | 80.0 (86.6) | 10.0 (9.6) | 8.0 (7.5) | 5.0 (6.67) | 0.0 (0) |"


def test_one_seed_has_no_spread_and_a_baseline_without_a_figure_compares_nothing():
    lines = strategy_table.table(
        {"stl": [row(0.10, 0.8, 10.0, 8.0, 0.0)], "ew": [row(0.1, 0.8, 10.0, 8.0, 0.05)]}
    ).splitlines()
    assert lines[3] == "| ew | 0.100 | 80.0 | 10.0 | 8.0 | 5.0 | -- |"


def test_the_baseline_uses_each_network_for_its_own_task():
    def constant(number):
        return lambda x: [TaskOutputs(*(np.full(n, number) for n in (200, 800, 260))) for _ in x]

    (outputs, _) = strategy_table.PerTaskEnsemble([constant(k) for k in (1, 2, 3)])(
        np.zeros((2, 1, 71, 120), np.float32)
    )
    assert (outputs.ecg[0], outputs.anchor[0], outputs.cycle[0]) == (1, 2, 3)


@pytest.mark.slow  # trains a grid three times, once with two processes
def test_a_resumed_grid_gives_the_same_table_and_measures_unseen_people(preset, tmp_path, monkeypatch, capsys):
    def command(out, processes=1):
        where = ["--out", os.fspath(tmp_path / out), "--processes", str(processes)]
        return ["--preset", preset, "--seeds", "1", "--strategies", "ew", *where]

    learnt, measured = [], []
    real_evaluate, real_train, real_save_epoch = strategy_table.evaluate, Trainer.train, Trainer._save_epoch

    def evaluate(predict, recordings, *more):
        measured.append({recording.trial.subject for recording in recordings})
        return real_evaluate(predict, recordings, *more)

    class WatchedBatches(Batches):
        def __init__(self, recordings, *more):
            super().__init__(recordings, *more)
            self.subjects = {recording.trial.subject for recording in recordings}

    def train(self):
        learnt.append(self._train_batches.subjects)
        real_train(self)

    monkeypatch.setattr("train.training.setup.Batches", WatchedBatches)
    monkeypatch.setattr(strategy_table, "evaluate", evaluate)
    monkeypatch.setattr(Trainer, "train", train)
    assert compare.main(command("uninterrupted")) == 0
    assert len(learnt) == 4  # three for the baseline
    assert len(measured) == 2
    assert all(known and not known & unseen for known in learnt for unseen in measured)

    epochs = 0

    def save_and_stop(self, writer):
        nonlocal epochs
        real_save_epoch(self, writer)
        epochs += 1
        if epochs in (3, 7):  # in the baseline's second network; in the other row
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_save_epoch", save_and_stop)
    assert compare.main(command("stopped")) == 130
    assert compare.main(command("stopped")) == 130
    baseline = tmp_path / "stopped" / "stl-seed1.json"
    written = baseline.stat().st_mtime_ns
    capsys.readouterr()
    assert compare.main(command("stopped")) == 0
    assert epochs == 8
    assert "ew-seed1: 1 of 1" in capsys.readouterr().out
    assert baseline.stat().st_mtime_ns == written
    uninterrupted = (tmp_path / "uninterrupted" / "table.md").read_text()
    assert (tmp_path / "stopped" / "table.md").read_text() == uninterrupted
    assert compare.main(command("shared", processes=2)) == 0
    assert (tmp_path / "shared" / "table.md").read_text() == uninterrupted
    assert "people, subjects: 2 to train on, 1 to test on. 4 steps of 4 windows of 2 points" in uninterrupted
    assert {path.name for path in (tmp_path / "stopped").iterdir()} == {
        "settings.json", "table.md", "stl-seed1.json", "ew-seed1.json"
    }  # fmt: skip


def test_invalid_comparisons_are_reported(preset, tmp_path):
    with pytest.raises(InputError, match=r"no preset 'huge'; there are compact, .*tiny, or name a settings file"):
        compare.compare("huge", [], 1, tmp_path, LocalWorkers(1))
    with pytest.raises(InputError, match="no strategy 'best' in the table; there are stl, ew"):
        compare.compare(preset, ["ew", "best"], 1, tmp_path, LocalWorkers(1))
    with pytest.raises(InputError, match="0 seeds"):
        compare.compare(preset, ["ew"], 0, tmp_path, LocalWorkers(1))
    bare = write_people(tmp_path / "bare", 1, "").with_name("small.toml")
    bare.write_text(PRESET)
    with pytest.raises(InputError, match=r"people has 0 folds, no fold 0: give it a \[split\]"):
        compare.compare(os.fspath(bare), ["ew"], 1, tmp_path / "a", LocalWorkers(1))


def test_finished_work_is_kept_completely_or_not_at_all(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"figure": 1.5}

    def fail():
        raise KeyboardInterrupt

    path = tmp_path / "ega-0.5.json"
    with pytest.raises(KeyboardInterrupt):
        cached_json(path, fail)
    assert not list(tmp_path.iterdir())
    assert cached_json(path, make) == cached_json(path, make) == {"figure": 1.5}
    assert len(made) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["ega-0.5.json"]


def test_a_folder_of_other_work_is_not_changed(tmp_path):
    check_settings({"data": "a", "split": (1, 2)}, tmp_path / "out")
    check_settings({"data": "a", "split": (1, 2)}, tmp_path / "out")
    with pytest.raises(OtherWorkError, match="another data, more; name another folder"):
        check_settings({"data": "b", "split": (1, 2), "more": 1}, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["data"] == "a"
