"""The sink: never in the way of the chain, whatever happens to the file."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.core.clock import ClockState
from edge.history.reader import open_reader
from edge.history.settings import HistoryConfig
from edge.history.store import HistoryError
from edge.history.writer import MAX_WAITING, HistoryWriter
from tests.helpers.disk import full_disk
from tests.helpers.history import NOON, ecg_block, fill, vitals
from tests.helpers.processes import child
from tests.helpers.publishing import wait

ROOT = Path(__file__).parents[3]
QUICK_S = 0.02


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.sqlite"


@pytest.fixture(autouse=True)
def _clock_without_time_service(monkeypatch):
    """So that nothing of NOON's date is too old."""
    monkeypatch.setattr("edge.history.writer.clock_state", lambda: ClockState("none", False, None))


@contextmanager
def writing(path, **settings):
    writer = HistoryWriter(path, HistoryConfig(days=3650, **settings), QUICK_S)
    try:
        yield writer
    finally:
        writer.close()


def seconds(path) -> list[int]:
    try:
        with open_reader(path) as reader:
            return [t_s - NOON for t_s in reader.vitals(0, 2**32, 1).t_s.tolist()]
    except HistoryError:
        return []


def events(path) -> list[tuple[str, str | None]]:
    with open_reader(path) as reader:
        return [(event.kind, event.flag) for event in reader.events(0, 2**32, 100)]


def test_everything_is_stored_and_an_end_loses_nothing(path):
    with writing(path, ecg=1000) as writer:
        for k in range(3):
            writer.vitals(vitals(NOON + k))
            writer.ecg(ecg_block(NOON + k), vitals(NOON).quality)
    assert seconds(path) == [0, 1, 2]
    with open_reader(path) as reader:
        assert len(reader.ecg(NOON, NOON + 3)) == 3
    assert [event for event in events(path) if event[1] is None] == [("device_started", None), ("device_stopped", None)]


def test_without_the_setting_no_ecg_is_stored(path):
    with writing(path) as writer:
        writer.vitals(vitals(NOON))
        writer.ecg(ecg_block(NOON), vitals(NOON).quality)
    with open_reader(path) as reader:
        assert reader.ranges()["ecg"] is None


def test_flags_that_begin_and_end_are_events(path):
    with writing(path) as writer:
        writer.vitals(vitals(NOON, flags=("clock_unsynced",)))
        writer.vitals(vitals(NOON + 1, flags=("clock_unsynced", "frame_loss")))
        writer.vitals(vitals(NOON + 2))
    with open_reader(path) as reader:
        found = [(event.t_s - NOON, event.kind, event.flag) for event in reader.events(NOON, NOON + 10, 100)]
    assert found == [
        (0, "flag_began", "clock_unsynced"),
        (1, "flag_began", "frame_loss"),
        (2, "flag_ended", "clock_unsynced"),
        (2, "flag_ended", "frame_loss"),
    ]


def test_vitals_that_come_unevenly_have_a_second_each(path):
    rng = np.random.default_rng(3)
    with writing(path) as writer:
        for k in range(200):
            t_s = NOON + k + 0.97 + rng.uniform(-0.05, 0.05)  # now in this second, now in the next
            writer.vitals(replace(vitals(NOON), t_ns=round(t_s * 1e9)))
    found = seconds(path)
    assert found == list(range(found[0], found[0] + 200))
    assert found[0] in (0, 1)


def test_a_silent_radar_is_recorded_at_the_hosts_time(path, monkeypatch):
    silent = vitals(NOON, None, flags=("radar_fault", "stale"), movement="none")
    with writing(path) as writer:
        monkeypatch.setattr("edge.history.writer.time.time", lambda: NOON + 50.5)
        writer.vitals(silent)
        monkeypatch.setattr("edge.history.writer.time.time", lambda: NOON + 51.5)
        writer.vitals(silent)
    assert seconds(path) == [50, 51]


def test_a_clock_that_jumps_stops_nothing(path):
    with writing(path) as writer:
        for k in (0, 1, 100, 101, 40, 41, -5000):
            writer.vitals(vitals(NOON + k))
    assert seconds(path) == [-5000, 0, 1, 40, 41, 100, 101]


def test_a_folder_that_cannot_be_written_is_reported_once_and_vitals_go_on(tmp_path, caplog):
    folder = tmp_path / "absent"
    with writing(folder / "history.sqlite") as writer:
        for k in range(5):
            writer.vitals(vitals(NOON + k))
            wait(lambda k=k: len(writer._waiting) > k)
        assert writer.state().failing
        assert writer.gauges()["history_failing"]
        folder.mkdir()
        wait(lambda: not writer.state().failing)
        assert writer.state().unstored == 0
    assert seconds(folder / "history.sqlite") == [0, 1, 2, 3, 4]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "cannot write the history" in caplog.records[0].message
    assert "works again" in caplog.records[1].message


def test_a_full_disk_is_reported_once_and_the_rest_is_stored_afterwards(path, caplog):
    fill(path, NOON - 10, 5)
    with writing(path) as writer:
        writer.vitals(vitals(NOON))
        wait(lambda: seconds(path)[-1:] == [0])
        with full_disk(left=1):
            for k in range(1, 4):
                writer.vitals(vitals(NOON + k))
            wait(lambda: writer.state().failing)
        wait(lambda: not writer.state().failing)
    assert seconds(path) == [-10, -9, -8, -7, -6, 0, 1, 2, 3]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_what_waits_is_bounded_and_the_loss_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.history.writer.MAX_WAITING", 10)
    with writing(tmp_path / "absent" / "x") as writer:
        wait(lambda: writer.state().failing)
        for k in range(25):
            writer.vitals(vitals(NOON + k))
            wait(lambda: not writer._queue)
        wait(lambda: writer.state().unstored == 15)
        assert [record.second - NOON for record in writer._waiting] == list(range(15, 25))
    assert MAX_WAITING > 1800  # half an hour


def test_a_thread_that_hangs_in_the_file_stops_nothing(path, monkeypatch):
    monkeypatch.setattr("edge.history.writer.MAX_WAITING", 10)
    writer = HistoryWriter(path, HistoryConfig(), 3600)
    for k in range(25):
        writer.vitals(vitals(NOON + k))
    assert writer.state().failing
    assert writer.state().unstored == 16  # the start is a record, too
    writer.close()


@pytest.mark.parametrize("damage", ["no database", "a page"])
def test_a_damaged_file_is_set_aside(path, caplog, damage):
    fill(path, NOON - 5000, 5000)
    content = bytearray(path.read_bytes())
    start = 0 if damage == "no database" else 2 * 4096
    content[start : start + 4096] = bytes(range(256)) * 16
    path.write_bytes(content)
    with writing(path) as writer:
        writer.vitals(vitals(NOON))
        wait(lambda: seconds(path) == [0])
    # With the log that a reader may have begun.
    aside, *_ = sorted(path.parent.glob("history.sqlite.damaged-*"))
    assert aside.read_bytes()[100:] == content[100:]  # the header before that counts the openings
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "the history is damaged" in caplog.text
    assert aside.name in caplog.text


def test_a_file_that_is_removed_while_it_is_open_is_created_again(path):
    with writing(path) as writer:
        writer.vitals(vitals(NOON))
        wait(lambda: seconds(path) == [0])
        path.unlink()
        writer.vitals(vitals(NOON + 1))
        wait(lambda: seconds(path) == [1])


def test_another_programs_file_is_left_alone(path, caplog):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE message (x)")
    db.close()
    before = path.read_bytes()
    with writing(path) as writer:
        writer.vitals(vitals(NOON))
        wait(lambda: writer.state().failing)
    assert path.read_bytes() == before
    assert "set another one" in caplog.text


def test_reaching_the_size_limit_is_logged_once(path, caplog):
    fill(path, NOON, 6000, ecg=True)
    with caplog.at_level(logging.INFO), writing(path, max_mb=1, ecg=3650) as writer:
        wait(lambda: 0 < writer.state().bytes <= 1 << 20)
        writer.vitals(vitals(NOON + 6000))
        wait(lambda: seconds(path)[-1] == 6000)
    assert sum("max_mb = 1" in record.message for record in caplog.records) == 1
    assert path.stat().st_size <= 1 << 20


WRITE = """
import sys, time
from pathlib import Path
from edge.history.settings import HistoryConfig
from edge.core.clock import ClockState
from edge.history import writer as module
from edge.history.writer import HistoryWriter
from tests.helpers.history import NOON, ecg_block, vitals
module.clock_state = lambda: ClockState("none", False, None)
first = int(sys.argv[2])
writer = HistoryWriter(Path(sys.argv[1]), HistoryConfig(days=3650, ecg=3650), 0.01)
for k in range(first, first + 10**6):
    writer.vitals(vitals(NOON + k))
    writer.ecg(ecg_block(NOON + k), vitals(NOON).quality)
    print(k, flush=True)
    time.sleep(0.001)
"""


def test_a_killed_writer_leaves_a_consistent_file(path):
    expected = 0
    for _ in range(2):
        first = expected
        with child(
            [sys.executable, "-c", WRITE, str(path), str(first)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            stored_before = len(seconds(path))
            wait(lambda stored_before=stored_before: len(seconds(path)) > stored_before + 30)
            os.kill(process.pid, signal.SIGKILL)
            written = [int(line) for line in process.stdout.read().split()]
        expected = written[-1] + 1
        stored = [k for k in seconds(path) if k >= first]
        assert stored == list(range(first, first + len(stored)))  # no gap: only the newest are lost
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        with open_reader(path) as reader:
            assert len(reader.ecg(NOON + first, NOON + first + 30)) == 30
            minutes = reader.vitals(NOON, NOON + expected, 60)
        assert minutes.totals.counts["recorded"].sum() == len(seconds(path))


def test_a_slow_disk_does_not_delay_the_chain(path):
    """The chain waits for no lock that the thread holds: another process blocks the file, and vitals return."""
    fill(path, NOON - 10, 1)
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("BEGIN EXCLUSIVE")
        with writing(path) as writer:
            for k in range(50):
                writer.vitals(vitals(NOON + k))
            assert seconds(path) == [-10]
            db.execute("ROLLBACK")
            wait(lambda: len(seconds(path)) == 51)
    db.close()
