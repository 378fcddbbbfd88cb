"""The audit trail: structured, of one line, and without anything about a person."""

import json
import logging

import pytest

from edge.core.audit import audit
from edge.core.text_logs import TextFormatter
from edge.runtime.config import Config, RadarConfig, WebConfig
from edge.runtime.json_logs import JsonFormatter
from edge.runtime.settings_file import settings_digest
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
