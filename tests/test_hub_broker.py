"""deploy/hub: the broker for many devices, its certificates and access lists, against a real mosquitto."""

import itertools
import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from unittest import mock

import paho.mqtt.client as paho
import pytest

from edge.mqtt.broker import Broker, probe_broker, tls_context
from edge.mqtt.settings import load_broker
from edge.mqtt.topics import NOTICE, STATUS, VITALS
from edge.runtime.hub_config import load_hub_config
from tests.helpers.brokers import Listener
from tests.helpers.hub import HUB, Hub, load_setup, running_hub, set_up
from tests.helpers.publishing import GOOD, connected

# paho leaves the socket of a failed handshake to the garbage collector, which complains.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


CLIENTS = {
    "radar-0001": ("devices", "authorities/devices/radar-0001"),
    "reader": ("programs", "authorities/programs/reader"),
    "telegraf": ("programs", "programs/telegraf"),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


def test_a_device_publishes_below_its_own_name_and_a_program_reads_it(hub, tmp_path, mmecg):
    reader = Listener(hub.program_port, tls=hub.program("reader").tls)
    publisher = connected(hub.device("radar-0001"), tmp_path, mmecg)
    publisher.vitals(GOOD)
    message = reader.wait_for("radar-0001/vitals")
    assert json.loads(message.payload)["hr"]["value"] == GOOD.heart_rate_bpm
    stranger = _publish(hub.device("radar-0002"), VITALS.name("radar-0001"))
    assert stranger.is_failure
    assert not _publish(hub.device("radar-0002"), VITALS.name("radar-0002")).is_failure
    publisher.close()
    reader.close()


def test_a_program_writes_nothing_and_a_device_reads_nothing(hub):
    assert _publish(hub.program("reader"), STATUS.name("radar-0001")).is_failure
    spy = Listener(hub.device_port, tls=hub.device("radar-0003").tls)
    reader = Listener(hub.program_port, tls=hub.program("reader").tls)
    for name in ("radar-0001", "radar-0002"):
        _publish(hub.device(name), STATUS.name(name))
        reader.wait_for(f"{name}/status")
    assert spy.received == []
    spy.close()
    reader.close()


def test_only_the_ward_page_writes_notices_and_every_program_reads_them(hub):
    ward = Broker(port=hub.program_port, tls=tls_context(*_files(hub.folder, "programs/hub")))
    spy = Listener(hub.device_port, "radarecg-hub/#", tls=hub.device("radar-0001").tls)
    reader = Listener(hub.program_port, "radarecg-hub/v1/+/notice", tls=hub.program("home-assistant").tls)
    topic = NOTICE.name("ward-3")
    assert _publish(hub.device("radar-0001"), topic).is_failure
    assert _publish(hub.program("home-assistant"), topic).is_failure
    assert _publish(ward, "radarecg-hub/v1/ward-3/other").is_failure
    assert _publish(ward, STATUS.name("radar-0001")).is_failure
    assert not _publish(ward, topic, b"notice").is_failure
    assert reader.wait_for("").payload == b"notice"
    assert spy.received == []
    spy.close()
    reader.close()


def test_a_devices_certificate_does_not_open_the_listener_of_the_programs(hub):
    for broker in (
        Broker(port=hub.program_port, tls=tls_context(*hub.files("devices", "radar-0001"))),
        Broker(port=hub.device_port, tls=tls_context(*hub.files("programs", "reader"))),
        Broker(port=hub.program_port, tls=tls_context(hub.folder / "programs/ca.crt", None, None)),
    ):
        assert not _is_accepted(broker)
    assert _is_accepted(hub.device("radar-0001"))


def test_the_settings_that_the_set_up_writes_open_the_broker(hub):
    path = hub.folder / "programs/hub.toml"
    text = path.read_text().replace('"broker"', '"127.0.0.1"').replace("8884", str(hub.program_port))
    local = path.with_name("local.toml")
    local.write_text(text)
    broker = load_broker(load_hub_config(local, {}).mqtt, local)
    assert _is_accepted(broker)


def test_the_example_subscriber_reads_through_tls(hub, tmp_path, mmecg):
    ca, cert, key = hub.files("programs", "reader")
    command = [sys.executable, HUB.parents[1] / "examples/subscriber.py", "127.0.0.1", str(hub.program_port)]
    options = ["--ca", ca, "--cert", cert, "--key", key]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as subscriber:
        publisher = connected(hub.device("radar-0001"), tmp_path, mmecg)
        lines = iter(subscriber.stdout.readline, "")
        assert next(line for line in lines if line.startswith("radar-0001 online")) == "radar-0001 online started\n"
        publisher.vitals(GOOD)
        assert next(lines) == "radar-0001 2026-11-20T17:40:00.000000Z 64 /min live\n"
        publisher.close()
        subscriber.kill()


def test_keys_are_private_and_the_set_up_runs_once(tmp_path):
    folder = set_up(tmp_path)
    keys = [path for path in folder.rglob("*.key") if "authorities" not in path.parts]
    assert len(keys) == 3
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
    assert stat.S_IMODE((folder / "authorities").stat().st_mode) == 0o700
    again = _run_setup("--address", "127.0.0.1", "--folder", folder)
    assert (again.returncode, again.stdout) == (2, "")
    assert "set-up runs only once" in again.stderr


def test_certificates_are_issued_afterwards(tmp_path):
    missing = _run_setup("--device", "radar-0001", "--folder", tmp_path / "none")
    assert "set up the hub first" in missing.stderr
    folder = set_up(tmp_path)
    done = _run_setup("--device", "radar-0001", "--folder", folder)
    assert done.stdout.startswith("transfer to radar-0001 securely: ")
    assert all(Path(path).exists() for path in done.stdout.partition(": ")[2].strip().split(", "))
    assert "radar-0001.crt exists" in _run_setup("--device", "radar-0001", "--folder", folder).stderr
    assert "radar-0001.crt exists" in _run_setup("--program", "radar-0001", "--folder", folder).stderr
    assert "hub.crt exists" in _run_setup("--program", "hub", "--folder", folder).stderr
    for option, name in (("--device", "telegraf"), ("--device", "broker"), ("--program", "broker")):
        assert "name of a program" in _run_setup(option, name, "--folder", folder).stderr
    assert "use only lower-case" in _run_setup("--device", "Radar 1", "--folder", folder).stderr


def test_renewed_certificates_are_accepted_and_revoked_ones_are_refused(tmp_path):
    """Also those before, which their owners may still have; the names may be used again."""
    folder, setup = set_up(tmp_path), load_setup()
    setup.add_certificate(folder, "devices", "radar-0001")
    setup.add_certificate(folder, "programs", "reader")
    before = shutil.copytree(folder, tmp_path / "before")
    for name in ("broker", *CLIENTS):
        done = _run_setup("--renew", name, "--folder", folder)
        assert (done.returncode, done.stderr) == (0, "")
    renewed = shutil.copytree(folder, tmp_path / "renewed")
    with running_hub(tmp_path, folder) as hub:
        assert all(_is_accepted(_client(hub, of, name)) for of in (before, renewed) for name in CLIENTS)
    for name, (kind, _) in CLIENTS.items():
        done = _run_setup("--revoke", name, "--folder", folder)
        assert (
            done.stdout == "certificates revoked: 2; the broker reads it at its start: docker compose restart broker\n"
        )
        with mock.patch("os.chown"):
            setup.add_certificate(folder, kind, name)
    with running_hub(tmp_path, folder) as hub:
        assert not any(_is_accepted(_client(hub, of, name)) for of in (before, renewed) for name in CLIENTS)
        assert all(_is_accepted(_client(hub, folder, name)) for name in CLIENTS)
        assert _is_accepted(hub.device("radar-0002"))


def test_only_what_was_issued_is_renewed_or_revoked(tmp_path):
    folder = set_up(tmp_path)
    for option, name in itertools.product(("--renew", "--revoke"), ("radar-0009", "ca", "devices-ca")):
        done = _run_setup(option, name, "--folder", folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{name}.crt not found: there is no certificate of that name" in done.stderr
    assert "--renew broker replaces" in _run_setup("--revoke", "broker", "--folder", folder).stderr
    (folder / "broker/programs-revoked.crl").unlink()  # as of a hub that was set up before there were lists
    assert "would not refuse telegraf" in _run_setup("--revoke", "telegraf", "--folder", folder).stderr
    assert (folder / "programs/telegraf.crt").exists()


def test_a_cluster_has_the_same_ports_and_rights():
    emqx, rights = (HUB / "emqx/emqx.conf").read_text(), (HUB / "emqx/acl.conf").read_text()
    mosquitto = (HUB / "mosquitto.conf").read_text()
    assert emqx.count("{") == emqx.count("}")
    assert re.findall(r"bind = (\d+)", emqx) == re.findall(r"^listener (\d+)", mosquitto, re.MULTILINE)
    assert emqx.count("fail_if_no_peer_cert = true") == mosquitto.count("require_certificate true") == 2
    assert mosquitto.count("crlfile") == 2
    for kind, name in (("devices", "${username}"), ("programs", "")):
        lists = (HUB / f"{kind}.acl").read_text()
        topics = re.findall(r"^(?:pattern|topic) (?:read|write) (\S+)", lists, re.MULTILINE)
        assert topics
        assert all(f'"{topic.replace("%u", name)}"' in rights for topic in topics)
    assert set(re.findall(r"\w+", re.search(r"\^\((.*?)\)", rights)[1])) == set(load_setup().PROGRAMS)
    assert rights.rstrip().endswith("{deny, all}.")


def _files(folder: Path, stem: str) -> tuple[Path, Path, Path]:
    return folder / "programs/ca.crt", folder / f"{stem}.crt", folder / f"{stem}.key"


def _client(hub: Hub, folder: Path, name: str) -> Broker:
    kind, stem = CLIENTS[name]
    port = {"devices": hub.device_port, "programs": hub.program_port}[kind]
    return Broker(port=port, tls=tls_context(*_files(folder, stem)))


def _is_accepted(broker: Broker) -> bool:
    try:
        answer = probe_broker(broker)
    except OSError:  # ssl.SSLError is one
        return False
    return answer is not None and not answer.is_failure  # without an answer, the broker closed the connection


def _run_setup(*options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, HUB / "setup.py", *options], capture_output=True, text=True)


def _publish(broker: Broker, topic: str, payload: bytes = b"{}"):
    """Publish once; return the broker's reason code."""
    client, answers = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5), []
    client.tls_set_context(broker.tls)
    client.on_connect = lambda client, *_: client.publish(topic, payload, qos=1)
    client.on_publish = lambda client, userdata, mid, reason, properties: (answers.append(reason), client.disconnect())
    client.connect(broker.host, broker.port)
    client.loop_forever()
    return answers[0]
