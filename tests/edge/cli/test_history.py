"""`radarecg history`: shows, exports and deletes."""

import csv
import sqlite3
from contextlib import closing

import edfio
import pytest

from edge.history.reader import open_reader
from edge.history.writer import HistoryWriter
from edge.runtime.config import load_config
from tests.helpers.command_line import assert_one_clear_line, radarecg
from tests.helpers.history import NOON, fill

SETTINGS = 'device = "radar-0001"\n[radar]\ncfg = "x.cfg"\n'


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "radarecg.toml"
    path.write_text(f'{SETTINGS}[history]\nfile = "h.sqlite"\necg = 2\n')
    return path


@pytest.fixture
def file(config):
    path = config.with_name("h.sqlite")
    fill(path, NOON, 300, ecg=True)
    return path


def seconds(file) -> list[int]:
    with open_reader(file) as reader:
        return [t_s - NOON for t_s in reader.vitals(NOON, NOON + 1000, 1).t_s.tolist()]


def test_what_is_stored_is_shown(config, file):
    done = radarecg("history", "show", "--config", config)
    assert done.returncode == 0
    first, *others = done.stdout.splitlines()
    assert first.startswith(str(file))
    assert others == [
        " seconds  2026-11-28T12:00:00Z to 2026-11-28T12:05:00Z",
        " minutes  2026-11-28T12:00:00Z to 2026-11-28T13:00:00Z",
        "  events  none",
        "     ecg  2026-11-28T12:00:00Z to 2026-11-28T12:05:00Z",
    ]


def test_vitals_are_exported_as_a_table(config, file, tmp_path):
    out = tmp_path / "out.csv"
    done = radarecg("history", "export", "--config", config, "--out", out)
    assert (done.returncode, done.stdout) == (0, f"{out}\n")
    rows = list(csv.DictReader(out.read_text().splitlines()[1:]))
    assert [int(row["unix_s"]) for row in rows] == list(range(NOON, NOON + 300, 60))
    assert_one_clear_line(radarecg("history", "export", "--config", config, "--out", out), "exists")


def test_the_ecg_is_exported_as_edf(config, file, tmp_path):
    out = tmp_path / "out.edf"
    times = ("--from", NOON + 10, "--to", "2026-11-28T12:00:30Z")
    assert radarecg("history", "export", "--config", config, "--out", out, *times).returncode == 0
    assert len(edfio.read_edf(out).signals[0].data) == 20 * 200


def test_a_range_is_deleted_while_the_service_runs(config, file):
    writer = HistoryWriter(file, load_config(config, {}).history)
    done = radarecg("history", "delete", "--config", config, "--from", NOON + 10, "--to", NOON + 290)
    writer.close()
    assert done.returncode == 0
    assert done.stdout.startswith("deleted from 2026-11-28T12:00:10Z to 2026-11-28T12:04:50Z; ")
    assert seconds(file) == [*range(10), *range(290, 300)]


def test_everything_is_deleted_with_what_was_damaged(config, file):
    damaged = file.with_name("h.sqlite.damaged-1795867200")
    damaged.write_bytes(b"x")
    done = radarecg("history", "delete", "--config", config, "--from", NOON)
    assert str(damaged) in done.stderr
    assert damaged.exists()
    assert f" damaged  {damaged}" in radarecg("history", "show", "--config", config).stdout
    assert radarecg("history", "delete", "--config", config, "--all").returncode == 0
    assert not damaged.exists()
    assert not file.with_name("h.sqlite-wal").exists()
    with open_reader(file) as reader:
        assert set(reader.ranges().values()) == {None}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["delete"], "--all to delete everything"),
        (["delete", "--all", "--from", "5"], "--all to delete everything"),
        (["delete", "--from", "5", "--to", "5"], "--from must be before --to"),
        (["export", "--out", "x.mat"], "must end with .csv (vitals) or .edf (ECG)"),
        (["export", "--out", "x.edf", "--from", "5", "--to", "999999"], "at most 21600 s"),
        (["export", "--out", "x.edf", "--from", "5", "--to", "99"], "no ECG is stored for this time"),
    ],
)
def test_what_cannot_be_done_is_one_line(config, file, words, reason):
    assert_one_clear_line(radarecg("history", words[0], "--config", config, *words[1:]), reason)
    assert len(seconds(file)) == 300


def test_without_a_history_the_reason_is_given(config):
    for words in (["show"], ["delete", "--all"], ["export", "--out", "x.csv"]):
        assert_one_clear_line(radarecg("history", *words, "--config", config), "there is no history")
    config.write_text(SETTINGS)
    assert_one_clear_line(radarecg("history", "show", "--config", config), "no table [history]")


def test_copies_that_a_reader_keeps_in_the_log_are_reported(config, file, monkeypatch):
    monkeypatch.setattr("edge.history.store.BUSY_TIMEOUT_S", 0.01)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM seconds").fetchone()
        done = radarecg("history", "delete", "--config", config, "--all")
        assert_one_clear_line(done, "copies remain in its log", "run the command again")
    assert radarecg("history", "delete", "--config", config, "--all").returncode == 0


def test_a_date_needs_a_zone(config, file):
    done = radarecg("history", "delete", "--config", config, "--from", "2026-11-28T12:00:00")
    assert done.returncode == 2
    assert "no time zone" in done.stderr
