"""Tests worker processes of this machine: their threads, and that none outlives its parent."""

import os
import signal
import subprocess
import sys

import pytest

from edge.core.errors import InputError
from tests.conftest import ROOT
from tests.helpers.jobs import failing, threads_and_pid
from train.data.workers import LocalWorkers

PARENT = """
import sys
from pathlib import Path
from tests.helpers.jobs import wait_for_a_signal
from train.data.workers import worker_pool
if __name__ == "__main__":
    with worker_pool(1) as pool:
        pool.submit(wait_for_a_signal, Path(sys.argv[1])).result()
"""


def test_one_worker_is_this_process_and_several_have_one_thread_each(monkeypatch):
    tasks = {1: threads_and_pid, 2: threads_and_pid}
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert dict(LocalWorkers(1).run(tasks)) == dict.fromkeys(tasks, ("7", os.getpid()))
    monkeypatch.delenv("OMP_NUM_THREADS")
    found = dict(LocalWorkers(2).run(tasks))
    assert {threads for threads, _ in found.values()} == {"1"}
    assert os.getpid() not in {pid for _, pid in found.values()}
    assert "OMP_NUM_THREADS" not in os.environ


def test_an_error_of_a_task_is_raised_here():
    with pytest.raises(InputError, match=r"^trial 7 has no ECG$"):
        list(LocalWorkers(2).run({1: failing, 2: threads_and_pid}))


def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "parent.py").write_text(PARENT)
    # The worker inherits this pipe's writing end; the pipe is at its end when all that have it have ended.
    reading, writing = os.pipe()
    command = [sys.executable, tmp_path / "parent.py", tmp_path / "fifo"]
    parent = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=writing)
    os.close(writing)
    worker = int((tmp_path / "fifo").read_text())
    assert worker != parent.pid
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    with os.fdopen(reading, "rb") as pipe:
        assert b"Traceback" not in pipe.read()
