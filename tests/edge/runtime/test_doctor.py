"""Each check against what it checks, or against nothing there; then the command as a user types it."""

import socket
import threading

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

import edge.runtime.doctor as doctor
from edge.inference.bundle import SHIPPED
from edge.radar.awr1843 import driver as awr1843
from edge.radar.awr1843 import serial_port as uart
from edge.twin.awr1843_emulator import Awr1843Emulator
from tests.conftest import ROOT
from tests.edge.radar.dca1000.test_control import CARD, HOST, answering
from tests.helpers.brokers import free_port
from tests.helpers.command_line import radarecg
from tests.helpers.disk import write_private
from tests.helpers.ladders import stand_in_for_tensorrt, write_engine

CFG = ROOT / "firmware_config/awr1843_mmecg.cfg"


@pytest.fixture
def setup_of(tmp_path):
    def make(cfg=CFG, broker=1883, host=HOST, control=4096, serial="auto", more=""):
        (tmp_path / "card.toml").write_text(
            f'card_address = "{CARD}"\nhost_address = "{host}"\ncontrol_port = {control}\n'
        )
        driven = f'serial = "{serial}"\n' if serial else ""
        (tmp_path / "radarecg.toml").write_text(
            f'device = "a"\n[radar]\ncfg = "{cfg}"\ncard = "card.toml"\n{driven}{more}\n'
            f'[mqtt]\nport = {broker}\nusername = "x"\npassword_file = "password"\n'
        )
        write_private(tmp_path / "password", "y\n")
        return doctor.load_setup(tmp_path / "radarecg.toml")

    return make


@pytest.fixture
def checked(capsys, monkeypatch):
    """Level and text of one check."""

    def check(name, setup):
        table = [row for row in doctor.CHECKS if row[0] == name]
        monkeypatch.setattr(doctor, "CHECKS", table)
        status = doctor.examine(setup)
        level, text = capsys.readouterr().out.strip().split(None, 1)
        assert status == (level == "FAIL")
        return level, text.removeprefix(name).strip()

    return check


def test_a_chirp_file_within_limits(checked, setup_of):
    level, text = checked("chirp file", setup_of())
    assert level == "ok"
    assert "200 frames/s" in text


def test_a_chirp_file_too_slow_for_a_heartbeat(checked, setup_of, tmp_path):
    (tmp_path / "slow.cfg").write_text(CFG.read_text().replace("frameCfg 0 2 1 0 5", "frameCfg 0 2 1 0 150"))
    level, text = checked("chirp file", setup_of(tmp_path / "slow.cfg"))
    assert level == "FAIL"
    assert "too few to see a heartbeat" in text


def test_a_chirp_file_beyond_limits(checked, setup_of, tmp_path):
    (tmp_path / "bad.cfg").write_text(CFG.read_text().replace("profileCfg 0 77 10", "profileCfg 0 90 10"))
    level, text = checked("chirp file", setup_of(tmp_path / "bad.cfg"))
    assert level == "FAIL"
    assert "bad.cfg" in text


def test_no_settings_is_no_failure(checked):
    assert checked("chirp file", doctor.Setup())[0] == "warn"


def test_the_radar_answers_and_receives_no_command(checked, setup_of):
    with Awr1843Emulator("studio_cli") as radar:
        assert checked("radar", setup_of(serial=radar.port)) == ("ok", f"{radar.port} responds")
        assert radar.received == [""]


def test_without_settings_the_radar_is_looked_for(checked, monkeypatch):
    with Awr1843Emulator("studio_cli") as radar:
        monkeypatch.setattr(doctor, "find_port", lambda: radar.port)
        assert checked("radar", doctor.Setup()) == ("ok", f"{radar.port} responds")


def test_a_radar_that_does_not_answer(checked, setup_of, monkeypatch):
    monkeypatch.setattr(awr1843, "_REPLY_TIMEOUT_S", 0.1)
    with Awr1843Emulator("studio_cli") as radar:
        radar.silent = True
        level, text = checked("radar", setup_of(serial=radar.port))
    assert level == "FAIL"
    assert "no prompt at 921600 baud" in text


def test_no_radar_is_connected(checked, monkeypatch):
    monkeypatch.setattr(uart.list_ports, "comports", list)
    level, text = checked("radar", doctor.Setup())
    assert level == "FAIL"
    assert "connect the radar's USB cable" in text


def test_the_host_address(checked, setup_of):
    assert checked("host address", setup_of())[0] == "ok"


def test_a_host_address_on_no_interface(checked, setup_of):
    level, text = checked("host address", setup_of(host="192.0.2.1"))
    assert level == "FAIL"
    assert "sudo ip address add 192.0.2.1/24" in text


def test_a_card_that_answers(checked, setup_of):
    with answering() as emulated:
        assert checked("card", setup_of(control=emulated.control_port)) == ("ok", f"{CARD} responds, FPGA 2.8")
        assert len(emulated.requests) == 2  # greeted and asked, no more


def test_no_card(checked, setup_of, monkeypatch):
    monkeypatch.setattr("edge.radar.dca1000.control.REPLY_TIMEOUT_S", 0.05)
    level, text = checked("card", setup_of(control=free_port()))
    assert level == "FAIL"
    assert "does not answer SYSTEM_CONNECT: check its power" in text


@pytest.mark.parametrize("name", ["radar", "host address", "card"])
def test_boards_that_others_start_are_not_checked(checked, setup_of, name):
    setup = setup_of(serial=None, host="192.0.2.1")
    assert checked(name, setup) == (
        "warn",
        "not checked: radarecg does not start the boards (no serial in the settings)",
    )


def test_the_data_port(checked, setup_of):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        settings = f'data_host = "{HOST}"\ndata_port = {port}'
        level, text = checked("data port", setup_of(more=settings))
        assert level == "FAIL"
        assert "stop the program that uses this port" in text
    assert checked("data port", setup_of(more=settings))[0] == "ok"
    level, text = checked("data port", setup_of(more=settings.replace(HOST, "192.0.2.7")))
    assert level == "FAIL"
    assert f"192.0.2.7:{port}" in text
    assert "correct data_host" in text


def test_the_calibration(checked, setup_of, tmp_path):
    assert checked("calibration", setup_of())[0] == "warn"
    level, text = checked("calibration", setup_of(more='calibration = "board.toml"'))
    assert level == "FAIL"
    assert "board.toml" in text
    (tmp_path / "board.toml").write_text('range_bias_m = 0\ntx = [1]\nrx = [1]\nfactors = "1 0"')
    level, text = checked("calibration", setup_of(more='calibration = "board.toml"'))
    assert level == "FAIL"
    assert "no factor for TX1 to RX2" in text
    factors = " ".join(["1 0"] * 12)
    (tmp_path / "board.toml").write_text(f'range_bias_m = 0\ntx = [1, 2, 3]\nrx = [1, 2, 3, 4]\nfactors = "{factors}"')
    assert checked("calibration", setup_of(more='calibration = "board.toml"'))[0] == "ok"


@pytest.mark.parametrize(("content", "level"), [("212992\n", "warn"), ("16777216\n", "ok"), (None, "warn")])
def test_the_receive_buffer(checked, monkeypatch, tmp_path, content, level):
    if content:
        (tmp_path / "rmem_max").write_text(content)
    monkeypatch.setattr(doctor, "RMEM_MAX", tmp_path / "rmem_max")
    found, text = checked("receive buffer", doctor.Setup())
    assert found == level
    assert ("sysctl" in text) == (content == "212992\n")


def test_a_broker_and_none(checked, setup_of, mosquitto_port):
    assert checked("broker", setup_of(broker=mosquitto_port)) == (
        "ok",
        f"127.0.0.1:{mosquitto_port} accepts the connection",
    )
    level, text = checked("broker", setup_of(broker=free_port()))
    assert level == "FAIL"
    assert "[mqtt]" in text


def test_a_connection_that_is_not_encrypted_is_a_warning(checked, setup_of, monkeypatch):
    setup = setup_of()
    accepted = ReasonCode(PacketTypes.CONNACK, "Success")
    monkeypatch.setattr(doctor, "probe_broker", lambda broker: accepted)
    setup.path.write_text(setup.path.read_text() + 'host = "broker.example"\nplain = true\n')
    level, text = checked("broker", doctor.load_setup(setup.path))
    assert (level, "not encrypted: set tls = true" in text) == ("warn", True)


def test_the_broker_is_not_tested_beside_the_running_service(checked, setup_of, monkeypatch):
    """A broker that makes the user name the client id would end the service's connection."""
    setup = setup_of(broker=free_port())
    spool = str(setup.path.parent.resolve() / "radarecg-spool.db")
    monkeypatch.setattr(doctor, "service_with", lambda files: 7 if files == {spool} else None)
    assert checked("broker", setup) == ("ok", "in use by the running radarecg (process 7), as expected")


def test_a_broker_that_refuses_the_password(checked, setup_of, strict_mosquitto_port):
    level, text = checked("broker", setup_of(broker=strict_mosquitto_port))
    assert level == "FAIL"
    assert "refuses the login (Not authorized): correct username and password_file" in text


def test_a_port_that_accepts_and_is_no_broker(checked, setup_of, monkeypatch):
    monkeypatch.setattr("edge.mqtt.broker.CONNACK_S", 0.1)
    with socket.create_server((HOST, 0)) as mute:
        level, text = checked("broker", setup_of(broker=mute.getsockname()[1]))
    assert level == "FAIL"
    assert "is not an MQTT broker" in text


def test_a_broker_of_mqtt_3_only(checked, setup_of):
    def answer(listening):
        for connack in (b"\x20\x02\x00\x01", b"\x20\x02\x00\x00"):  # refused, as 3.1.1 refuses 5; accepted
            client, _ = listening.accept()
            with client:
                client.recv(1024)
                client.sendall(connack)
                client.recv(1024)

    with socket.create_server((HOST, 0)) as listening:
        broker = threading.Thread(target=answer, args=(listening,))
        broker.start()
        assert checked("broker", setup_of(broker=listening.getsockname()[1]))[0] == "ok"
        broker.join(timeout=10)


@pytest.mark.parametrize(("compiled", "level"), [(True, "ok"), (False, "FAIL")])
def test_the_sst(checked, monkeypatch, compiled, level):
    monkeypatch.setattr(doctor, "COMPILED", compiled)
    assert checked("SST", doctor.Setup())[0] == level


def test_the_network(checked, setup_of):
    assert checked("network", setup_of())[0] == "ok"
    level, text = checked("network", setup_of(more='[network]\nbackend = "none"'))
    assert (level, "no ECG" in text) == ("warn", True)
    level, text = checked("network", setup_of(more='[network]\nbundle = "nowhere"'))
    assert (level, "no such bundle" in text) == ("FAIL", True)


def test_a_network_on_a_lower_rung_with_the_way_back(checked, setup_of, monkeypatch, tmp_path):
    stand_in_for_tensorrt(monkeypatch)
    settings = setup_of(more='[network]\nbackend = "tensorrt"\nengine = "x.engine"')
    level, text = checked("network", settings)
    assert level == "warn"
    assert "does not run on tensorrt but on onnxruntime: tensorrt: " in text
    assert f"build it here: python -m export.build_engine {SHIPPED} --out {tmp_path}/x.engine" in text
    assert text.endswith("To return to tensorrt, do what the first problem asks for, then restart radarecg")
    write_engine(tmp_path / "x.engine")
    level, text = checked("network", settings)
    assert (level, text.endswith("is intact and runs on tensorrt")) == ("ok", True)


def test_the_command(setup_of, tmp_path):
    setup_of(control=free_port(), broker=free_port())
    done = radarecg("doctor", "--config", tmp_path / "radarecg.toml")
    assert done.returncode == 1
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line[:4].strip() for line in lines if "card  " in line or "broker  " in line] == ["FAIL", "FAIL"]
    assert len(lines) == len(doctor.CHECKS)
