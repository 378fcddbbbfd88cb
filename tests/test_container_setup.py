"""What the device's set-up command makes, against a real mosquitto: certificates, passwords, access lists."""

import gc
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from edge.demo.processes import mosquitto_command
from edge.mqtt.broker import Broker, probe_broker, tls_context
from edge.mqtt.client import MqttClient
from edge.mqtt.settings import load_broker
from edge.mqtt.topics import DISCOVERY, STATUS, VITALS
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.control import load_card
from edge.runtime.config import load_config
from tests.conftest import ROOT
from tests.helpers.brokers import Listener, answers, free_port
from tests.helpers.deploy import load_deployed
from tests.helpers.processes import child

# paho leaves the socket of a failed handshake to the garbage collector, which complains.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def device(tmp_path_factory) -> Path:
    """What the set-up command makes for radar-0001, and for the hub ward-7."""
    if os.geteuid() != 0:
        pytest.skip("the set-up gives files to other users: for root")
    copy = tmp_path_factory.mktemp("copy")  # it writes compose's .env beside itself
    for name in ("deploy", "firmware_config"):
        shutil.copytree(ROOT / name, copy / name)
    folder = copy / "etc"
    for options in (["--device", "radar-0001"], ["--hub", "ward-7"]):
        done = set_up(folder, copy, *options)
        assert (done.returncode, done.stderr) == (0, "")
    return folder


def set_up(folder: Path, place: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, place / "deploy/setup.py", "--folder", folder, *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def ports(device, tmp_path):
    with broker(device, tmp_path) as ports:
        yield ports


@contextmanager
def broker(device: Path, tmp_path: Path):
    """Yields the ports of home, hubs and device of a broker with the settings that were made."""
    home, hubs, own = free_port(), free_port(), free_port()
    command = mosquitto_command(home, tmp_path)
    if command is None:
        pytest.skip("mosquitto is not installed (.ci/run installs it)")
    text = (device / "broker" / "mosquitto.conf").read_text()
    for before, after in {
        "/mosquitto/config": device / "broker",
        "/mosquitto/data/": f"{tmp_path}/",
        "listener 8883": f"listener {home} 127.0.0.1",
        "listener 8884": f"listener {hubs} 127.0.0.1",
        "listener 8885": f"listener {own} 127.0.0.1",
    }.items():
        assert before in text
        text = text.replace(before, str(after))
    Path(command[-1]).write_text(f"user root\n{text}")
    with child(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while not all(map(answers, (home, hubs, own))):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield home, hubs, own


def broker_for(device: Path, port: int) -> Broker:
    """As the runtime sees it, by the settings that were made."""
    path = device / "radarecg.toml"
    return load_broker(load_config(path, {"RADARECG_MQTT__PORT": str(port)}).mqtt, path)


def authority(device: Path, name: str | Path | None = None) -> ssl.SSLContext:
    """Trusts the device's authority, and shows a certificate: of a hub's name, or of a path without its ending."""
    shown = [device / "authority" / f"{name}.{kind}" for kind in ("crt", "key")] if name else [None, None]
    return tls_context(device / "ca.crt", *shown)


def test_the_settings_that_are_made_can_be_used(device):
    path = device / "radarecg.toml"
    config = load_config(path, {})
    assert config.network.backend == "tensorrt"
    assert (config.web.host, config.web.port) == ("127.0.0.1", 8080)  # served without a container, too
    assert config.web.token_file is None
    assert load_card(path.parent / config.radar.card).host_address == config.radar.data_host
    assert load_chirp(path.parent / config.radar.cfg).frame_rate_hz == 200


def test_secrets_are_for_those_who_use_them(device):
    def may_read(path: str) -> tuple[int, int]:
        status = (device / path).stat()
        assert status.st_mode & 0o077 == 0
        return status.st_uid, status.st_gid

    assert may_read("password") == (871, 871)
    assert may_read("broker/broker.key") == may_read("broker/passwords") == (1883, 1883)
    assert may_read("authority") == may_read("authority/ca.key") == (0, 0)
    password = (device / "password").read_text().strip()
    assert password not in (device / "broker" / "passwords").read_text()


def test_the_runtime_and_hubs_can_read_the_authoritys_certificate(device):
    assert (device / "ca.crt").stat().st_mode & 0o777 == 0o644


def test_the_device_is_accepted_and_unknown_clients_are_refused(device, ports):
    known = broker_for(device, ports[2])
    assert not probe_broker(known).is_failure
    assert probe_broker(replace(known, password="guessed")).is_failure
    assert probe_broker(replace(known, username=None, password=None)).is_failure
    with pytest.raises(ssl.SSLError):
        probe_broker(replace(known, tls=ssl.create_default_context()))
    assert probe_broker(replace(known, tls=None)) is None
    gc.collect()


def test_a_hub_receives_with_its_certificate_and_home_assistant_with_its_password(device, ports):
    password = (device / "authority" / "home-assistant.password").read_text().strip()
    home = Listener(ports[0], "#", tls=authority(device), login=("home-assistant", password))
    hub = Listener(ports[1], "radarecg/#", tls=authority(device, "ward-7"))
    ours = MqttClient(broker_for(device, ports[2]), "radar-0001", (STATUS, b"gone"), [])
    other = MqttClient(broker_for(device, ports[2]), "radar-0002", (STATUS, b"gone"), [])
    assert ours.connected.wait(20)
    assert other.connected.wait(20)
    other.send(VITALS, b"forged")
    ours.send(DISCOVERY, b"{}")
    ours.send(VITALS, b"1")
    assert home.wait_for("homeassistant/device/radar-0001/config")
    for listener in (home, hub):
        assert listener.wait_for("/vitals").topic == "radarecg/v1/radar-0001/vitals"
        assert b"forged" not in {message.payload for message in listener.received}
        listener.close()
    for client in (ours, other):
        client.close((STATUS, b"bye"))
    assert probe_broker(Broker(port=ports[1], tls=authority(device))) is None  # without a certificate
    gc.collect()


def test_a_renewed_certificate_is_accepted_and_revoked_ones_are_refused(device, tmp_path):
    """Also the one before, which the hub may still have."""
    old = tmp_path / "old"
    copy = tmp_path / "copy"
    subprocess.run(["cp", "--archive", device, copy], check=True)  # with the owners
    shutil.copytree(copy / "authority", old)
    for name, file in (("ward-7", "authority/ward-7"), ("broker", "broker/broker")):
        files = [copy / f"{file}.{kind}" for kind in ("crt", "key")]
        before = [path.read_bytes() for path in files]
        done = set_up(copy, ROOT, "--renew", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert all(path.read_bytes() not in before for path in files)
    assert (copy / "broker/broker.key").stat().st_uid == 1883
    new = tmp_path / "new"
    shutil.copytree(copy / "authority", new)
    with broker(copy, tmp_path) as (_, hubs, _):
        for folder in (old, new):
            assert not probe_broker(Broker(port=hubs, tls=authority(copy, folder / "ward-7"))).is_failure
    done = set_up(copy, ROOT, "--revoke", "ward-7")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("certificates revoked: 2; ")
    assert set_up(copy, ROOT, "--hub", "ward-7").returncode == 0  # the name may be used again
    assert (copy / "broker/revoked.crl").stat().st_uid == 1883
    with broker(copy, tmp_path) as (_, hubs, own):
        for folder in (old, new):
            assert is_refused(Broker(port=hubs, tls=authority(copy, folder / "ward-7")))
        assert not probe_broker(Broker(port=hubs, tls=authority(copy, copy / "authority/ward-7"))).is_failure
        assert not probe_broker(broker_for(copy, own)).is_failure
    gc.collect()


def is_refused(broker: Broker) -> bool:
    """In TLS 1.3, a client may connect before it receives that its certificate is refused."""
    try:
        return probe_broker(broker) is None
    except OSError:
        return True


@pytest.mark.parametrize(("option", "name"), [("--renew", "ward-9"), ("--revoke", "ward-9"), ("--revoke", "ca")])
def test_only_what_was_issued_is_renewed_or_revoked(device, option, name):
    done = set_up(device, ROOT, option, name)
    assert done.returncode == 2
    assert f"{name}.crt not found: there is no certificate of that name" in done.stderr


def test_certificates_expire_after_two_years_and_the_list_of_revoked_ones_with_the_authority(device):
    x509 = pytest.importorskip("cryptography.x509")
    for name, days in (("authority/ca", 3650), ("authority/ward-7", 730), ("broker/broker", 730)):
        certificate = x509.load_pem_x509_certificate((device / f"{name}.crt").read_bytes())
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == days + 1
    revoked = x509.load_pem_x509_crl((device / "broker/revoked.crl").read_bytes())
    assert (revoked.next_update_utc - revoked.last_update_utc).days == 3650
    assert len(revoked) == 0


def test_a_reader_cannot_end_the_devices_connection(device, ports):
    """In the home, whatever client id a reader sends, its user name is used."""
    password = (device / "authority" / "home-assistant.password").read_text().strip()
    ours = MqttClient(broker_for(device, ports[2]), "radar-0001", (STATUS, b"gone"), [])
    assert ours.connected.wait(60)
    reader = paho.Client(paho.CallbackAPIVersion.VERSION2, "radarecg-radar-0001-mqttv5")
    reader.tls_set_context(authority(device))
    reader.username_pw_set("home-assistant", password)
    accepted = threading.Event()
    reader.on_connect = lambda *_: accepted.set()
    reader.connect("127.0.0.1", ports[0])
    reader.loop_start()
    assert accepted.wait(60)
    ours.send(VITALS, b"1")
    assert ours.acks.get(timeout=60).refused is False
    assert (ours.connections, ours.takeovers) == (1, 0)
    reader.disconnect()
    reader.loop_stop()
    ours.close((STATUS, b"bye"))
    gc.collect()


def test_the_broker_is_limited_and_the_devices_port_is_open_to_this_computer_only():
    words = [line.split() for line in (ROOT / "deploy/mosquitto.conf").read_text().splitlines() if line[:1] not in "#"]
    names = [name for name, *_ in words]
    assert {"max_queued_bytes", "memory_limit", "persistent_client_expiration"} <= set(names)
    assert names.count("max_connections") == names.count("listener") == 3
    assert '"127.0.0.1:8885:8885"' in (ROOT / "compose.yaml").read_text()


def test_no_file_of_the_set_up_is_open_to_others_before_it_has_its_owner(tmp_path, monkeypatch):
    """While files are written, no other user can enter their folder."""
    module = load_deployed("setup")
    modes = []
    monkeypatch.setattr(os, "chown", lambda path, *_: modes.append((tmp_path / "etc.part").stat().st_mode & 0o777))
    module.set_up(tmp_path / "etc", "radar-0001", ["localhost"])
    assert set(modes) == {0o700}
    assert (tmp_path / "etc").stat().st_mode & 0o777 == 0o755


def test_the_set_up_runs_only_once(device):
    before = (device / "password").read_text()
    done = set_up(device, ROOT, "--device", "radar-0001")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "set-up runs only once" in done.stderr
    assert "ward-7.crt exists: renew it with --renew ward-7" in set_up(device, ROOT, "--hub", "ward-7").stderr
    assert (device / "password").read_text() == before


@pytest.mark.parametrize("name", ["Jane Doe", "radar/1", "Radar-1", ""])
def test_a_name_that_no_topic_can_hold_is_refused(tmp_path, name):
    done = set_up(tmp_path / "etc", ROOT, "--device", name)
    assert done.returncode == 2
    assert "use only lower-case letters" in done.stderr
    assert not (tmp_path / "etc").exists()


def test_composes_environment_keeps_what_else_is_in_it(device, tmp_path):
    written = (device.parent / ".env").read_text()
    assert "BASE=tensorrt\n" in written  # this computer is no Jetson
    module, path = load_deployed("image_base"), tmp_path / ".env"
    path.write_text("OTHER=1\nBASE=old\n")
    module.write_compose_environment(path, module.JETPACK_7)
    assert path.read_text().splitlines()[:2] == ["OTHER=1", "BASE=jetpack7"]
