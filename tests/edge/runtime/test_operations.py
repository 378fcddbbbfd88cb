"""The runtime as a service: its reports to systemd, its log, and the support archive."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

from edge.__main__ import main
from edge.history.reader import open_reader
from edge.runtime.device_state import DeviceState
from edge.runtime.json_logs import JsonFormatter
from edge.runtime.systemd import Systemd
from tests.conftest import ROOT
from tests.edge.cli.test_cli import MMECG
from tests.helpers.brokers import Listener, free_port
from tests.helpers.command_line import radarecg
from tests.helpers.disk import write_private
from tests.helpers.web import MOVING, Events, get, vitals


@contextmanager
def running(*args, **environ):
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", *map(str, args)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def settings(tmp_path) -> Path:
    write_private(tmp_path / "token", "a-token-nobody-could-guess\n")
    path = tmp_path / "radarecg.toml"
    path.write_text(
        f'device = "radar-0001"\nnetwork.backend = "none"\n[radar]\ncfg = "{ROOT / MMECG}"\ndata_host = "127.0.0.1"\n'
    )
    return path


def test_a_service_from_start_to_end(tmp_path, systemd, mosquitto_port, cfg_50):
    path, data_port, web_port = settings(tmp_path), free_port(), free_port()
    environ = {
        "NOTIFY_SOCKET": systemd.getsockname(),
        "RADARECG_RADAR__CFG": str(cfg_50),
        "RADARECG_LOG": "json",
        "RADARECG_RADAR__DATA_PORT": str(data_port),
        "RADARECG_MQTT__PORT": str(mosquitto_port),
        "RADARECG_WEB__PORT": str(web_port),
        "RADARECG_MQTT__HOME_ASSISTANT": "true",
        "RADARECG_HISTORY__DAYS": "30",
        "RADARECG_MQTT__DISCOVERY_PREFIX": "ha",
    }
    hub, home = Listener(mosquitto_port), Listener(mosquitto_port, "ha/#")
    with (
        running("run", "--config", path, **environ) as process,
        running("twin", "--cfg", cfg_50, "--port", data_port, "--truth-port", free_port()),
    ):
        state = systemd.recv(200).decode()
        assert state.startswith("READY=1\nWATCHDOG=1\nSTATUS=")
        deadline = time.monotonic() + 20
        while (answer := get(web_port, "/healthz"))[0] != 200:
            assert answer[0] == 503
            assert time.monotonic() < deadline
            time.sleep(0.05)
        metrics = get(web_port, "/metrics")[2]
        for name in ("mqtt_connected", "history_failing", *DeviceState().gauges()):
            assert f"\nradarecg_{name} " in metrics
        health = json.loads(hub.wait_for("/health").payload)
        assert (health["computer"] is None) == (DeviceState().read() is None)
        assert health["history"]["failing"] is False
        events = Events(web_port)
        while events.next()["event"] != "vitals":
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        while events.next() is not None:  # and then the stream ends
            pass
        events.close()
        log = [json.loads(line) for line in process.stderr]
    with open_reader(tmp_path / "radarecg-history.sqlite") as history:
        kinds = {event.kind for event in history.events(0, 2**32, 1000)}
        assert {"device_started", "device_stopped"} <= kinds
        assert len(history.vitals(0, 2**32, 1).t_s) > 0
    found = json.loads(home.wait_for("ha/device/radar-0001/config").payload)
    assert found["device"]["configuration_url"] == f"http://127.0.0.1:{web_port}/"
    home.close()
    hub.wait_for("/status", matching=lambda message: json.loads(message.payload)["state"] == "offline")
    hub.close()
    while (state := systemd.recv(200).decode()) != "STOPPING=1":
        assert "WATCHDOG=1" in state
    assert {"t", "level", "logger", "message"} == set(log[-1])
    assert log[-1]["message"].startswith("stopped: ")
    assert any("live page" in line["message"] for line in log)


def test_a_page_open_to_a_network_without_a_token_is_refused(tmp_path):
    path = settings(tmp_path)
    path.write_text(f'{path.read_text()}data_port = {free_port()}\n[web]\nhost = "0.0.0.0"\n')
    done = radarecg("run", "--config", path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("radarecg: error: web.host is 0.0.0.0")


def test_vitals_of_any_quality_reset_the_watchdog(systemd, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
    service = Systemd()
    service.vitals(vitals(MOVING, received=7, lost=2))
    assert systemd.recv(200) == b"READY=1\nWATCHDOG=1\nSTATUS=7 frames, 2 lost"
    service.stopping()
    assert systemd.recv(200) == b"STOPPING=1"


def test_an_abstract_socket_and_none_at_all(monkeypatch, caplog):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0radarecg-test-" + str(os.getpid()))
        monkeypatch.setenv("NOTIFY_SOCKET", "@radarecg-test-" + str(os.getpid()))
        Systemd().stopping()
        assert listening.recv(200) == b"STOPPING=1"
    Systemd().stopping()
    assert "cannot notify systemd" in caplog.text
    monkeypatch.delenv("NOTIFY_SOCKET")
    Systemd().stopping()


def test_a_line_of_the_log_is_an_object():
    try:
        raise ValueError('two\nlines and a "quote"')
    except ValueError:
        record = logging.LogRecord("edge.x", logging.ERROR, "", 0, "lost %d of %s", (3, "ä"), sys.exc_info())
    text = JsonFormatter().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert (line["level"], line["logger"], line["message"]) == ("error", "edge.x", "lost 3 of ä")
    assert "two\nlines" in line["exception"]
    assert line["t"].endswith("Z")


def test_diagnostics_hold_what_helps_and_no_secret(tmp_path, capsys):
    path, out = settings(tmp_path), tmp_path / "out.zip"
    write_private(tmp_path / "password", "hunter2-hunter2\n")
    path.write_text(
        f'{path.read_text()}[mqtt]\nport = {free_port()}\nusername = "smith"\npassword_file = "password"\n'
        '[web]\nhost = "0.0.0.0"\ntoken_file = "token"\n'
    )
    assert main(["diagnostics", "--config", str(path), "--out", str(out)]) == 0
    with zipfile.ZipFile(out) as bundle:
        files = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert {"versions.json", "settings.json", "doctor.txt", "radar.cfg"} <= set(files)
    assert json.loads(files["versions.json"])["packages"]["numpy"]
    shown = json.loads(files["settings.json"])
    assert shown["mqtt"]["username"] == "(removed)"
    assert shown["mqtt"]["password_file"] == "password"
    assert "broker" in files["doctor.txt"]
    assert "channelCfg" in files["radar.cfg"]
    for secret in ("smith", "hunter2", "nobody-could-guess"):
        assert not any(secret in text for text in files.values())
    assert main(["diagnostics", "--config", str(path), "--out", str(out)]) == 2
    assert "out.zip: File exists" in capsys.readouterr().err


def test_diagnostics_of_wrong_settings_contain_the_error(tmp_path):
    path, out = settings(tmp_path), tmp_path / "out.zip"
    path.write_text(path.read_text() + '[mqtt]\npassword = "hunter2"\n')
    assert main(["diagnostics", "--config", str(path), "--out", str(out)]) == 0
    with zipfile.ZipFile(out) as bundle:
        assert "unknown field `password`" in bundle.read("settings.txt").decode()
        assert not any(b"hunter2" in bundle.read(name) for name in bundle.namelist())
