"""Fixtures shared by all rooms' tests."""

import os
from pathlib import Path

import pytest

from edge.radar.firmware import load_chirp
from tests.peers.brokers import running_broker

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def mmecg():
    return load_chirp(ROOT / "firmware_config/awr1843_mmecg.cfg")


@pytest.fixture(scope="session")
def iwr6843():
    return load_chirp(ROOT / "firmware_config/iwr6843_recording.cfg")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real recordings, which are not part of the project."""
    folder = Path(os.environ.get("RADARECG_REAL_DATA", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"real recordings are not at {folder}; set RADARECG_REAL_DATA")
    return folder


@pytest.fixture
def mosquitto_port(tmp_path):
    with running_broker("mosquitto", tmp_path) as port:
        yield port


@pytest.fixture
def strict_mosquitto_port(tmp_path):
    """A broker that lets nobody in."""
    with running_broker("mosquitto", tmp_path, strict=True) as port:
        yield port
