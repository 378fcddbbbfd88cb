"""deploy/hub: the broker for many devices, its certificates and access lists, against a real mosquitto."""

import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from edge.mqtt.broker import Broker, probe_broker, tls_context
from edge.mqtt.settings import load_broker
from edge.mqtt.topics import STATUS, VITALS
from edge.runtime.hub_config import load_hub_config
from tests.helpers.brokers import Listener
from tests.helpers.hub import HUB, load_setup, running_hub, set_up
from tests.helpers.publishing import GOOD, connected

# paho leaves the socket of a failed handshake to the garbage collector, which complains.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


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
    assert "name of a program" in _run_setup("--device", "telegraf", "--folder", folder).stderr
    assert "use only lower-case" in _run_setup("--device", "Radar 1", "--folder", folder).stderr


def test_a_cluster_has_the_same_ports_and_rights():
    emqx, rights = (HUB / "emqx/emqx.conf").read_text(), (HUB / "emqx/acl.conf").read_text()
    mosquitto = (HUB / "mosquitto.conf").read_text()
    assert emqx.count("{") == emqx.count("}")
    assert re.findall(r"bind = (\d+)", emqx) == re.findall(r"^listener (\d+)", mosquitto, re.MULTILINE)
    assert emqx.count("fail_if_no_peer_cert = true") == mosquitto.count("require_certificate true") == 2
    for kind, name in (("devices", "${username}"), ("programs", "")):
        lists = (HUB / f"{kind}.acl").read_text()
        topics = re.findall(r"^(?:pattern|topic) (?:read|write) (\S+)", lists, re.MULTILINE)
        assert topics
        assert all(f'"{topic.replace("%u", name)}"' in rights for topic in topics)
    assert set(re.findall(r"\w+", re.search(r"\^\((.*?)\)", rights)[1])) == set(load_setup().PROGRAMS)
    assert rights.rstrip().endswith("{deny, all}.")


def _is_accepted(broker: Broker) -> bool:
    try:
        answer = probe_broker(broker)
    except OSError:  # ssl.SSLError is one
        return False
    return answer is not None and not answer.is_failure  # without an answer, the broker closed the connection


def _run_setup(*options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, HUB / "setup.py", *options], capture_output=True, text=True)


def _publish(broker: Broker, topic: str):
    """Publish once; return the broker's reason code."""
    client, answers = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5), []
    client.tls_set_context(broker.tls)
    client.on_connect = lambda client, *_: client.publish(topic, b"{}", qos=1)
    client.on_publish = lambda client, userdata, mid, reason, properties: (answers.append(reason), client.disconnect())
    client.connect(broker.host, broker.port)
    client.loop_forever()
    return answers[0]
