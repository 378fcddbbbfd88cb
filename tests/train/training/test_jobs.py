"""Tests long work in parts: each part's result is there once, though workers are killed or the command interrupted."""

import importlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.interrupts import INTERRUPTED
from tests.conftest import ROOT
from tests.helpers.jobs import always_killed, attempts, failing, interrupting_once, killed_once, total
from tests.helpers.processes import child
from tests.helpers.publishing import wait
from train.data import workers
from train.data.ray_workers import connect_ray
from train.data.readers.mmecg import read_trial
from train.data.workers import LocalWorkers
from train.training.jobs import run_grid, run_jobs

VALUES = np.ones((100, 1000), np.float32)


@pytest.fixture
def jobs(tmp_path):
    """Four jobs with a large array, and a function that returns the path of a job's result."""
    return {tmp_path / f"{name}.json": partial(total, tmp_path, name, VALUES) for name in "abcd"}


def results(folder):
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.mark.parametrize("processes", [1, 2])
def test_results_are_kept_and_finished_jobs_are_not_repeated(processes, jobs, tmp_path, capfd):
    first, *_ = jobs
    first.write_text('{"name": "before"}')
    *partial_results, found = run_jobs(jobs, LocalWorkers(processes))
    assert [len(each) for each in partial_results] == [1, 2, 3]
    assert list(found) == list(jobs)
    assert found[first] == {"name": "before"}
    assert [found[path]["total"] for path in list(jobs)[1:]] == [100_000.0] * 3
    assert results(tmp_path) == {path.stem: result for path, result in found.items()}
    printed = capfd.readouterr().out
    assert re.search(r"^[bcd]: 3 of 3, about 0 min left$", printed, re.MULTILINE)
    assert ("printed by a job" in printed) == (processes == 1)
    assert list(run_jobs(jobs, LocalWorkers(processes))) == [found]
    assert [attempts(tmp_path, name) for name in "abcd"] == [0, 1, 1, 1]


def test_a_grid_has_rows_of_seeds_in_the_tables_order(tmp_path):
    cells = [("stl", 1), ("ew", 1), ("stl", 2), ("ew", 2)]
    grid = {(row, seed): partial(total, tmp_path, f"{row}{seed}", VALUES) for row, seed in cells}
    (tmp_path / "table-ew-seed2.json").write_text('{"name": "before"}')
    first, *_, last = run_grid(grid, tmp_path, LocalWorkers(1), "table-")
    assert first == {"ew": [{"name": "before"}]}
    assert list(last) == ["stl", "ew"]
    assert [[each["name"] for each in row] for row in last.values()] == [["stl1", "stl2"], ["ew1", "before"]]


def test_work_of_a_killed_process_is_started_again(jobs, tmp_path, caplog):
    jobs[tmp_path / "b.json"] = partial(killed_once, tmp_path, "b", VALUES)
    *_, found = run_jobs(jobs, LocalWorkers(2))
    assert [each["name"] for each in found.values()] == ["a", "b", "c", "d"]
    assert attempts(tmp_path, "b") == 2
    assert caplog.messages == ["a worker process was killed; its work and that of the others is started again"]


def test_work_that_is_killed_again_and_again_is_an_error(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "MAX_RESTARTS", 0)
    jobs = {tmp_path / "x.json": always_killed, tmp_path / "y.json": always_killed}
    with pytest.raises(InputError, match=r"were killed 1 times.*enough memory; run .* with fewer --processes"):
        list(run_jobs(jobs, LocalWorkers(2)))
    assert not results(tmp_path)


def test_an_interrupt_ends_all_workers_and_the_work_is_resumed(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    jobs = {
        tmp_path / "a.json": partial(total, tmp_path, "a", VALUES),
        tmp_path / "b.json": partial(interrupting_once, tmp_path, "b", VALUES, fifo),
    }

    def run_until_interrupted():
        for found in run_jobs(jobs, LocalWorkers(2)):
            assert list(found) == [tmp_path / "a.json"]
            fifo.write_text("a is finished")

    with pytest.raises(KeyboardInterrupt):
        run_until_interrupted()
    assert multiprocessing.active_children() == []
    assert list(results(tmp_path)) == ["a"]
    list(run_jobs(jobs, LocalWorkers(2)))
    assert sorted(results(tmp_path)) == ["a", "b"]
    assert (attempts(tmp_path, "a"), attempts(tmp_path, "b")) == (1, 2)


@pytest.mark.slow  # starts a Ray cluster
def test_ray_workers_make_every_cell_once_though_one_is_killed(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    grid = {(row, seed): partial(total, tmp_path, f"{row}{seed}", VALUES) for row in ("stl", "ew") for seed in (1, 2)}
    grid["ew", 1] = partial(killed_once, tmp_path, "ew1", VALUES)
    with connect_ray("local", 2) as ray_workers:
        *_, found = run_grid(grid, tmp_path, ray_workers)
        with pytest.raises(InputError, match=r"^trial 7 has no ECG$"):
            list(ray_workers.run({1: failing}))
    assert {row: [each["name"] for each in cells] for row, cells in found.items()} == {
        "stl": ["stl1", "stl2"],
        "ew": ["ew1", "ew2"],
    }
    assert not any(each["writeable"] for cells in found.values() for each in cells)  # read where Ray has them
    assert sorted(results(tmp_path)) == ["ew-seed1", "ew-seed2", "stl-seed1", "stl-seed2"]
    assert [attempts(tmp_path, name) for name in ("stl1", "stl2", "ew1", "ew2")] == [1, 1, 2, 1]
    assert "printed by a job" not in capfd.readouterr().out


@pytest.mark.slow  # starts a Ray cluster
def test_ctrl_c_ends_the_command_and_its_local_ray_and_keeps_what_is_done(tmp_path):
    """A terminal sends the signal to every process of the command."""
    before = ray_processes()
    command = [sys.executable, "-m", "train.simulate", "--out", str(tmp_path), "--subjects", "2000", "--seed", "1"]
    command += ["--trials-per-subject", "1", "--seconds", "60", "--ray", "local"]
    with child(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        wait(lambda: (tmp_path / "1.mat").exists() or process.poll() is not None)
        assert ray_processes() > before
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == INTERRUPTED, errors
    assert "Traceback" not in errors
    assert f"train.simulate: interrupted; run the same command again to resume from {tmp_path}" in errors
    assert read_trial(tmp_path / "1.mat").rcg.shape == (50, 12_000)
    wait(lambda: ray_processes() <= before)


def ray_processes():
    """The servers of Ray that run on this machine."""
    servers = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if re.search(rb"ray/\S*(raylet|gcs_server)\0", (folder / "cmdline").read_bytes()):
                servers.add(folder.name)
    return servers


def test_without_ray_its_extra_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"--ray needs a further package: pip install '\.\[ray\]'"):
        connect_ray("auto").__enter__()
