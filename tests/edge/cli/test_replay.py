"""`radarecg replay` as a user types it: files, several recordings, a stop; and the examples of the documentation."""

import json
import os
import re
import signal

import numpy as np
import pandas
import pytest

from tests.conftest import ROOT
from tests.helpers.command_line import assert_one_clear_line, radarecg


def test_it_writes_what_is_asked_for(twin_recordings, twin_result, tmp_path):
    done = radarecg(
        *("replay", twin_recordings / "points", "--summary", "--report", tmp_path / "{name}.html"),
        *("--out", tmp_path / "x.csv", "--out", tmp_path / "x.edf"),
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert [tmp_path.joinpath(name).stat().st_size > 1000 for name in ("x.csv", "x.edf", "points.html")] == [True] * 3
    assert summary["written"] == [str(tmp_path / name) for name in ("x.csv", "x.edf", "points.html")]
    assert summary["recording"] == "points"
    assert summary["r_peaks"] == len(twin_result.r_peak_t_ns)
    assert summary["heart_rate_bpm"] == pytest.approx(np.nanmedian(twin_result.seconds.heart_rate_bpm), abs=0.2)


def test_bad_outputs_are_refused_before_the_long_part(twin_recordings, tmp_path):
    points = twin_recordings / "points"
    assert_one_clear_line(radarecg("replay", points, "--out", tmp_path / "x.mat"), "x.mat", ".parquet (Parquet)")
    (tmp_path / "file").write_text("")
    assert_one_clear_line(radarecg("replay", points, "--out", tmp_path / "file" / "x.csv"), "cannot be written")
    assert_one_clear_line(radarecg("replay", points, "--report", tmp_path), "is a folder")
    both = ("replay", points, twin_recordings / "raw")
    assert_one_clear_line(radarecg(*both, "--out", tmp_path / "x.csv"), "x.csv", "{name}")
    assert_one_clear_line(radarecg("replay", points, points, "--out", tmp_path / "{name}.csv"), "two recordings")


def test_ctrl_c_ends_it_with_the_results_so_far(twin_recordings, tmp_path, monkeypatch):
    from edge.cli.report import Report

    show = Report.vitals

    def interrupt(self, vitals):
        show(self, vitals)
        if len(self.seconds) == 12:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Report, "vitals", interrupt)
    done = radarecg("replay", twin_recordings / "points", "--no-network", "--out", tmp_path / "x.csv")
    assert done.returncode == 130
    assert "stopped after 12 s" in done.stderr
    assert len(done.stdout.splitlines()) == 13  # and the file's name
    assert len(pandas.read_csv(tmp_path / "x.csv", comment="#")) == pytest.approx(12 * 200, abs=20)


@pytest.mark.slow  # three interpreters
def test_one_recording_of_several_fails(twin_recordings, tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "a").symlink_to(twin_recordings / "points")
    (folder / "c").symlink_to(twin_recordings / "points")
    (folder / "b").mkdir()
    (folder / "b" / "meta.json").write_text("{")
    done = radarecg("replay", folder, "--no-network", "--out", tmp_path / "out" / "{name}.csv")
    assert done.returncode == 1
    assert [json.loads(line)["frames"] for line in done.stdout.splitlines()] == [3000, 3000]
    assert "meta.json: damaged" in done.stderr
    assert done.stderr.endswith("radarecg: error: 1 of 3 recordings failed\n")
    assert len(list((tmp_path / "out").glob("*.csv"))) == 2


@pytest.fixture
def trial(twin_recordings, tmp_path, monkeypatch):
    """A folder in which the examples of the documentation run."""
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "trial").symlink_to(twin_recordings / "points")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def block_of(page: str, language: str, word: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    return next(block for block in blocks if word in block)


@pytest.mark.parametrize("page", ["README.md", "docs/analysis.md"])
def test_the_example_in_python_runs(page, trial, capsys):
    exec(block_of(page, "python", "edge.analysis"), {})
    if page == "README.md":
        assert (trial / "results" / "trial.csv").stat().st_size > 1000
    else:
        assert "[6000 rows x 14 columns]" in capsys.readouterr().out


def test_the_command_of_the_page_runs(trial):
    done = radarecg(*block_of("docs/analysis.md", "", "--report").split()[1:])
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (trial / "results").iterdir()} == {"trial.edf", "trial.csv", "trial.html"}
