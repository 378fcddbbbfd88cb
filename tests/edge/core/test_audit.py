"""The audit trail: structured, of one line, and without anything about a person."""

import json
import logging
import os
import socket
import subprocess
import sys

import pytest

from edge.core.audit import audit, send_to_journal
from edge.core.text_logs import TextFormatter
from edge.runtime.config import Config, RadarConfig, WebConfig
from edge.runtime.json_logs import JsonFormatter
from edge.runtime.settings_file import settings_digest
from tests.conftest import ROOT
from tests.helpers.web import get, live_page


@pytest.fixture
def records():
    """The records of the trail, in order."""
    records: list[logging.LogRecord] = []
    handler, trail = logging.Handler(), logging.getLogger("edge.core.audit")
    handler.emit = records.append
    before = trail.level
    trail.addHandler(handler)
    trail.setLevel(logging.INFO)
    yield records
    trail.setLevel(before)
    trail.removeHandler(handler)


def actions(records) -> list[dict]:
    return [record.audit for record in records]


def test_a_record_is_structured_in_both_kinds_of_log(records):
    audit("model switched", model="compact-1", previous=None)
    line = json.loads(JsonFormatter().format(records[0]))
    assert line["audit"] == {"action": "model switched", "model": "compact-1", "previous": None}
    assert line["message"] == 'model switched model="compact-1" previous=null'


def test_a_value_from_outside_cannot_forge_a_record(records):
    audit("model rejected", reason='x" model="other\n2026 INFO edge.audit: forged')
    line = TextFormatter().format(records[0])
    assert "\n" not in line
    assert ' model="' not in line


def test_failed_tokens_are_recorded_once_a_minute_for_each_address_without_the_token(records):
    with live_page("a-token-nobody-could-guess") as page:
        for source in ("127.0.0.1", "127.0.0.2"):
            for _ in range(3):
                assert get(page.port, "/?token=wrong-secret", source=source)[0] == 401
    assert actions(records) == [
        {"action": "access denied", "address": address} for address in ("127.0.0.1", "127.0.0.2")
    ]
    assert "wrong-secret" not in repr([record.getMessage() for record in records])


def test_changed_settings_change_the_digest_of_the_start():
    config = Config("radar-0001", RadarConfig("x.cfg"))
    changed = Config("radar-0001", RadarConfig("x.cfg"), web=WebConfig())
    assert settings_digest(config) == settings_digest(Config("radar-0001", RadarConfig("x.cfg")))
    assert settings_digest(config) != settings_digest(changed)


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A socket like the journal's; the audit logger has no handlers of its own before and after."""
    trail = logging.getLogger("edge.core.audit")
    before = trail.level
    monkeypatch.setattr(trail, "handlers", [])
    trail.setLevel(logging.INFO)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "log"))
        receiver.setblocking(False)
        yield receiver
    trail.setLevel(before)


def test_records_of_a_command_go_to_the_journal_in_one_line(journal, tmp_path):
    send_to_journal(tmp_path / "log")
    audit("history exported", file="a\nb", rows=3)
    expected = f'<86>radarecg[{os.getpid()}]: history exported file="a\\nb" rows=3'
    assert journal.recv(4096).decode() == expected


def test_a_log_that_is_in_the_journal_is_not_sent_there_again(journal, tmp_path, monkeypatch):
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    send_to_journal(tmp_path / "log")
    audit("history exported")
    with pytest.raises(BlockingIOError):
        journal.recv(4096)


def test_a_journal_that_does_not_receive_or_is_absent_delays_nothing(journal, tmp_path):
    send_to_journal(tmp_path / "log")
    send_to_journal(tmp_path / "none")
    for _ in range(2000):  # more than a socket queues: it would block
        audit("history exported")
    assert journal.recv(4096).endswith(b"history exported")


def test_a_command_sends_its_records(tmp_path):
    """`send_to_journal` is called by the program itself, not by tests that call `main` with arguments."""
    code = (
        "import sys, pathlib; from edge.core import audit; from edge import __main__\n"
        "send = audit.send_to_journal\n"
        "audit.send_to_journal = lambda: print('sends')\n"
        "sys.argv = ['radarecg', '--version']\n__main__.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == "sends"
