"""The ten-minute measurement on a GPU: its tables, and that a step's results are kept whatever happens to it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from bench.gpu.networks import measure
from bench.gpu.report import Report
from bench.gpu.strategies import Steps, alignments_of, random_batch
from bench.gpu.table import MODULES, figure_table, forecast_table, step_table, summary
from tests.conftest import ROOT

KERNELS = {
    "step": "kernels",
    "ok": True,
    "us_a_window": 40.0,
    "multiprocessors": 100,
    "clock_mhz": 1300.0,
    "points": 50,
}
RESULTS = [
    KERNELS | {"name": "Orin: time", "us_a_wave": 20.0},
    KERNELS | {"name": "Thor: time", "us_a_wave": 10.0},
    {"step": "kernels", "status": 0, "seconds": 31},
    {"step": "networks", "name": "compact, float16", "ok": True, "graph_us": 100.0},
    {"step": "networks", "name": "reference, float16", "ok": False, "error": "RuntimeError: out of memory"},
    {"step": "networks", "status": 1, "seconds": 8},
    {"step": "smoke", "status": 124, "seconds": 100},
]


def test_the_forecast_scales_clock_and_multiprocessors():
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in forecast_table(RESULTS)[2:]}
    assert list(rows) == [module.name for module in MODULES]
    # AGX: the measured clock; 50 points on 16 multiprocessors are 4 waves; the network, 100 / 16 of the multiprocessors
    assert rows["AGX Orin 64GB"] == "| AGX Orin 64GB | 0.08 | 0.10 to 0.62 |"
    assert rows["Thor T5000"].split(" | ")[1] == f"{3 * 0.010 * 1300 / 1575:.2f}"
    assert "**forecast**" in forecast_table(RESULTS)[0]
    assert forecast_table(RESULTS[2:]) == []


def test_tables_name_what_failed_and_what_ran_out_of_time():
    text = "\n".join(step_table(RESULTS))
    assert "| kernels | 31 | passed; 2 results |" in text
    assert "wrong: reference, float16" in text
    assert "| smoke | 100 | stopped at its time limit |" in text
    assert figure_table(RESULTS, "networks") == ["| networks | graph us |", "|---|---|", "| compact, float16 | 100.0 |"]
    assert summary(RESULTS) == {
        "steps": {"kernels": 0, "networks": 1, "smoke": 124},
        "failed": ["networks: reference, float16"],
        "results": 4,
        "seconds": 139,
    }


def test_an_exception_is_a_failed_result_and_the_step_goes_on(capsys):
    report = Report("networks")
    with report.guard("first"):
        raise RuntimeError("out of\nmemory")
    report.add("second", us=1)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"step": "networks", "name": "first", "ok": False, "error": "RuntimeError: out of memory"}
    assert lines[1] == {"step": "networks", "name": "second", "ok": True, "us": 1}
    with pytest.raises(SystemExit) as ended:
        report.finish()
    assert ended.value.code == 1


@pytest.mark.parametrize("name", ["ega", pytest.param("uw", marks=pytest.mark.slow)])
def test_a_strategys_steps_are_those_of_the_training(name):
    alignments = alignments_of(name)
    assert alignments == {"ega": ("parameters", "representation"), "uw": ("parameters",)}[name]
    steps = Steps(name, alignments[-1], random_batch(2, 2), torch.device("cpu"))
    steps()
    first = steps.losses
    steps()
    assert len(first) == 3
    assert np.isfinite(first).all()
    assert steps.losses != first  # the network has learned


def test_networks_are_measured_in_every_precision(capsys):
    measure(Report("networks"), "compact", dry=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines] == ["compact, float32", "compact, float16", "compact, bfloat16"]
    assert all(line["ok"] for line in lines)


def test_the_script_keeps_json_lines_and_goes_on_after_a_step_that_fails(tmp_path):
    """With an interpreter that fails in every step but prints results first."""
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f'#!/bin/sh\ncase "$*" in *bench.gpu.table*) exec "{sys.executable}" "$@";; esac\n'
        'echo noise\necho \'{"step": "x", "name": "y", "ok": true}\'\nexit 3\n'
    )
    stand_in.chmod(0o755)
    command = ["bash", ROOT / "bench/gpu/run.sh", "--dry-run", tmp_path / "out"]
    done = subprocess.run(command, env=os.environ | {"PYTHON": str(stand_in)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    names = ["kernels", "sanitize-memcheck"]  # of four, which need a GPU
    assert last["steps"] == dict.fromkeys([*names, "tests", "strategies", "networks", "smoke", "limit"], 3)
    lines = (tmp_path / "out/results.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 2 * len(last["steps"])
    assert "noise" in (tmp_path / "out/kernels.log").read_text()
