"""`run` and `record` drive the two boards that `twin --card` is, all as processes, as a user without hardware does."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from edge.__main__ import main
from edge.sources.recording import open_recording
from tests.conftest import ROOT
from tests.edge.cli.test_cli import MMECG
from tests.helpers.brokers import free_port
from tests.helpers.command_line import assert_one_clear_line, radarecg

CARD, HOST = "127.0.0.3", "127.0.0.1"
TWIN = ROOT / "firmware_config/dca1000_twin.toml"


@pytest.fixture(scope="module")
def card_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("card") / "card.toml"
    path.write_text(f'card_address = "{CARD}"\nhost_address = "{HOST}"\ncontrol_port = {free_port()}\n')
    return path


@contextmanager
def running(*args, **environ):
    """A command of radarecg that ends on SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", *map(str, args)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
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
        messages = [line.split("edge.radar.boards: ")[1] for line in done.stderr.splitlines() if "radar.boards" in line]
        assert messages[2:] == ["the card records", "the radar streams", "the radar is stopped", "the card is stopped"]
        assert json.loads((folder / "meta.json").read_text())["note"] == f"the {name}"
        index = open_recording(folder).index
        assert index["seq"][0] == 0
        assert index["received"][-1] == 12288
    assert radarecg("replay", tmp_path / "first", "--summary").returncode == 0


def test_record_ends_with_the_last_frame_of_a_finite_chirp_file(twin, card_file, tmp_path):
    """The last one is complete: the emulated card delays its end for two seconds, as the real one."""
    serial, port = twin
    cfg = tmp_path / "finite.cfg"
    cfg.write_text((ROOT / MMECG).read_text().replace("frameCfg 0 2 1 0 5 1 0", "frameCfg 0 2 1 50 5 1 0"))
    options = ("--serial", serial, "--card", card_file, "--port", port)
    done = radarecg("record", tmp_path / "rec", "--cfg", cfg, *options)
    assert done.returncode == 0, done.stderr
    index = open_recording(tmp_path / "rec").index
    assert index["seq"].tolist() == list(range(50))
    assert index["received"][-1] == 12288  # a busy twin can pause within an earlier one
    assert "started again" not in done.stderr


def test_run_refuses_a_radar_that_would_stop(tmp_path, capsys):
    text = (ROOT / MMECG).read_text().replace("frameCfg 0 2 1 0 5 1 0", "frameCfg 0 2 1 50 5 1 0")
    (tmp_path / "finite.cfg").write_text(text)
    settings = tmp_path / "radarecg.toml"
    settings.write_text('device = "a"\n[radar]\ncfg = "finite.cfg"\nserial = "auto"\n')
    for command in ("run", "doctor"):
        main([command, "--config", str(settings)])
        printed = capsys.readouterr()
        assert "the radar stops after 50 frames (numFrames); set numFrames to 0" in printed.out + printed.err


def test_record_and_run_check_that_the_card_carries_the_frames(tmp_path, capsys):
    cfg, card, settings = (tmp_path / name for name in ("fast.cfg", "card.toml", "radarecg.toml"))
    text = (ROOT / MMECG).read_text().replace("frameCfg 0 2 1 0 5 1 0", "frameCfg 0 2 4 0 1 1 0")
    line = "profileCfg 0 77 10 6 60 0 0 65 1 256 5000 0 0 30"
    cfg.write_text(text.replace(line, "profileCfg 0 77 7 4 48 0 0 65 1 256 6000 0 0 30"))
    settings.write_text('device = "a"\n[radar]\ncfg = "fast.cfg"\ncard = "card.toml"\n')
    assert main(["check-config", str(cfg)]) == 0
    card.write_text("packet_delay_us = 25\n")
    record = ("record", str(tmp_path / "rec"), "--cfg", str(cfg), "--card", str(card))
    for command in (record, ("run", "--config", str(settings)), ("doctor", "--config", str(settings))):
        capsys.readouterr()
        main(list(command))
        printed = capsys.readouterr()
        for text in ("393 Mbit/s", "packet_delay_us = 25", "18 or less"):
            assert text in printed.out + printed.err
    card.write_text("packet_delay_us = 18\n")
    main(["doctor", "--config", str(settings)])
    assert "18 or less" not in capsys.readouterr().out


def test_run_starts_the_boards_and_a_signal_stops_them(twin, card_file, tmp_path, systemd):
    serial, port = twin
    settings = tmp_path / "radarecg.toml"
    settings.write_text(
        f'device = "a"\n[radar]\ncfg = "{ROOT / MMECG}"\nserial = "{serial}"\ncard = "{card_file}"\n'
        f'data_host = "{HOST}"\ndata_port = {port}\n[mqtt]\nport = {free_port()}\n'
    )
    with running("run", "--config", settings, NOTIFY_SOCKET=systemd.getsockname()) as process:
        while not re.search(r"STATUS=[1-9]\d* frames", systemd.recv(200).decode()):
            pass
        used = f"in use by the running radarecg (process {process.pid}), as expected"
        assert findings(settings) == dict.fromkeys(("radar", "card", "data port"), ("ok", used))
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert rest.index("the radar is stopped") < rest.index("the card is stopped") < rest.index("stopped: ")
    assert "stopped: 0 frames" not in rest
    assert [level for level, _ in findings(settings).values()] == ["ok"] * 3


def findings(settings):
    """The doctor's findings for the ports that a service uses."""
    lines = [re.split(r"  +", line.strip()) for line in radarecg("doctor", "--config", settings).stdout.splitlines()]
    return {name: (level, text) for level, name, text in lines if name in ("radar", "card", "data port")}


def test_a_twin_that_cannot_have_the_cards_address(tmp_path):
    (tmp_path / "card.toml").write_text('card_address = "192.0.2.1"\n')
    done = radarecg("twin", "--cfg", MMECG, "--card", tmp_path / "card.toml")
    assert_one_clear_line(done, "cannot bind the card's address 192.0.2.1:4096")


def test_record_without_a_radar_at_the_port_leaves_no_folder(tmp_path):
    done = radarecg("record", tmp_path / "r", "--cfg", MMECG, "--serial", tmp_path / "tty", "--card", TWIN)
    assert_one_clear_line(done, "port not found", "--serial")
    assert not (tmp_path / "r").exists()


def test_a_recording_that_cannot_start_leaves_no_folder(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        done = radarecg("record", tmp_path / "r", "--cfg", MMECG, "--host", HOST, "--port", port)
        assert_one_clear_line(done, f"{HOST}:{port}")
    done = radarecg("record", tmp_path / "r", "--cfg", MMECG, "--host", HOST, "--port", port, "--seconds", "0.2")
    assert (done.returncode, done.stderr.count("no frame received")) == (1, 1)
    assert not (tmp_path / "r").exists()


def test_a_used_folder_is_refused_before_anything_is_started(tmp_path):
    (tmp_path / "notes.txt").touch()
    done = radarecg("record", tmp_path, "--cfg", MMECG, "--serial", tmp_path / "tty", "--card", TWIN)
    assert_one_clear_line(done, "is not empty; record into a new folder")
