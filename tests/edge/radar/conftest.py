"""Both boards, emulated: a card, and a radar that notes whether the card records; and short waits for them."""

from contextlib import contextmanager

import pytest

import edge.radar.dca1000.control as control
from edge.radar import boards as module
from edge.radar.awr1843 import driver as awr1843
from edge.twin.awr1843_emulator import Awr1843Emulator
from tests.edge.radar.dca1000.test_control import answering


@pytest.fixture
def short_waits(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(control, "REPLY_TIMEOUT_S", 0.1)
    for name, seconds in {"_IDLE_TIMEOUT_S": 0.02, "_REPLY_TIMEOUT_S": 4.0, "_START_TIMEOUT_S": 4.0}.items():
        monkeypatch.setattr(awr1843, name, seconds)
    for name, seconds in {"CHECK_INTERVAL_S": 0.01, "RESTART_DELAY_S": 0.02, "NO_DATA_TIMEOUT_S": 0.05}.items():
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def short_replies(short_waits, monkeypatch):
    """For a board that does not reply. Others reply at once, but on a busy machine this can take long."""
    for name in ("_REPLY_TIMEOUT_S", "_START_TIMEOUT_S"):
        monkeypatch.setattr(awr1843, name, 1.5)


@pytest.fixture
def card():
    with answering() as card:
        yield card


@pytest.fixture
def recorded():
    """Whether the card was recording, each time the radar started or stopped."""
    return []


@contextmanager
def radar_beside(card, recorded):
    def note():
        recorded.append(card.recording)

    with Awr1843Emulator("studio_cli", note, note) as radar:
        yield radar


@pytest.fixture
def radar(card, recorded):
    with radar_beside(card, recorded) as radar:
        yield radar
