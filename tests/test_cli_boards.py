"""`run` and `record` drive the two boards that `twin --card` is, all as processes, as a user without hardware does."""

import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from edge.recording import open_recording
from tests.conftest import ROOT
from tests.peers.brokers import free_port
from tests.test_cli import MMECG, assert_one_clear_line, radarecg

CARD, HOST = "127.0.0.3", "127.0.0.1"
TWIN = ROOT / "firmware_config/dca1000_twin.toml"


@pytest.fixture
def card_file(tmp_path):
    path = tmp_path / "card.toml"
    path.write_text(f'card_address = "{CARD}"\nhost_address = "{HOST}"\ncontrol_port = {free_port()}\n')
    return path


@contextmanager
def running(*args):
    """A command of radarecg that is told to stop at the end, and does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", *map(str, args)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def twin(card_file):
    """Where the twin's radar is, and the port its card sends to."""
    port = free_port()
    options = ("--port", port, "--truth-port", free_port())
    with running("twin", "--cfg", MMECG, "--card", card_file, *options) as process:
        yield process.stdout.readline().strip(), port


def test_record_twice_without_restarting_the_boards(twin, card_file, tmp_path):
    serial, port = twin
    for name, seconds in (("first", 3), ("second", 1)):
        folder = tmp_path / name
        options = (
            "--serial",
            serial,
            "--card",
            card_file,
            "--port",
            port,
            "--seconds",
            seconds,
            "--note",
            f"the {name}",
        )
        done = radarecg("record", folder, "--cfg", MMECG, *options)
        assert done.returncode == 0, done.stderr
        said = [line.split("edge.radar.boards: ")[1] for line in done.stderr.splitlines() if "radar.boards" in line]
        assert said[2:] == ["the card records", "the radar streams", "the radar is stopped", "the card is stopped"]
        assert json.loads((folder / "meta.json").read_text())["note"] == f"the {name}"
        index = open_recording(folder).index
        assert index["seq"][0] == 0
        assert (index["received"] == 12288).all()
        assert len(index) > 20
    assert radarecg("replay", tmp_path / "first", "--summary").returncode == 0


def test_run_starts_the_boards_and_a_signal_stops_them(twin, card_file, tmp_path):
    serial, port = twin
    settings = tmp_path / "radarecg.toml"
    settings.write_text(
        f'device = "a"\n[radar]\ncfg = "{ROOT / MMECG}"\nserial = "{serial}"\ncard = "{card_file.name}"\n'
        f'data_host = "{HOST}"\ndata_port = {port}\n[mqtt]\nport = {free_port()}\n'
    )
    with running("run", "--config", settings) as process:
        for line in process.stderr:
            if "the radar streams" in line:
                break
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert rest.index("the radar is stopped") < rest.index("the card is stopped") < rest.index("stopped: ")
    assert "stopped: 0 frames" not in rest
    lines = radarecg("doctor", "--config", settings).stdout.splitlines()
    assert [line[:4].strip() for line in lines if " radar " in line or " card " in line] == ["ok", "ok"]


def test_a_twin_that_cannot_have_the_cards_address(card_file):
    card_file.write_text('card_address = "192.0.2.1"\n')
    done = radarecg("twin", "--cfg", MMECG, "--card", card_file)
    assert_one_clear_line(done, "cannot be the card at 192.0.2.1:4096")


def test_record_without_a_radar_at_the_port_leaves_no_folder(tmp_path):
    done = radarecg("record", tmp_path / "r", "--cfg", MMECG, "--serial", tmp_path / "tty", "--card", TWIN)
    assert_one_clear_line(done, "there is no such port", "--serial")
    assert not (tmp_path / "r").exists()


def test_a_recording_that_cannot_start_leaves_no_folder(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        done = radarecg("record", tmp_path / "r", "--cfg", MMECG, "--host", HOST, "--port", port)
        assert_one_clear_line(done, f"{HOST}:{port}")
    done = radarecg("record", tmp_path / "r", "--cfg", MMECG, "--host", HOST, "--port", port, "--seconds", "0.2")
    assert (done.returncode, done.stderr.count("no frame came")) == (1, 1)
    assert not (tmp_path / "r").exists()


def test_a_used_folder_is_refused_before_anything_is_started(tmp_path):
    (tmp_path / "notes.txt").touch()
    done = radarecg("record", tmp_path, "--cfg", MMECG, "--serial", tmp_path / "tty", "--card", TWIN)
    assert_one_clear_line(done, "is not empty; record into a new folder")
