"""The client against real brokers: birth, will, retained or not, outages, refusals."""

import json
import os
import queue
import signal
import subprocess
import sys
import time

import pytest

from edge.frames import FrameCount, Quality, Vitals
from edge.mqtt.client import MAX_UNDER_WAY, Broker
from edge.mqtt.publisher import Publisher
from tests.peers.brokers import Listener, free_port, running_broker

GOOD = Vitals(1_795_196_400_000_000_000, 64.0, 15.0, 0.46, Quality("good", 0.93), FrameCount(1, 0))


def wait(condition, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connected(port: int, chirp) -> Publisher:
    publisher = Publisher(Broker(port=port), "radar-0001", chirp)
    assert publisher.client.connected.wait(timeout=20)
    return publisher


def test_a_life(mosquitto_port, mmecg):
    listener = Listener(mosquitto_port)
    publisher = connected(mosquitto_port, mmecg)
    assert json.loads(listener.wait_for("/status").payload)["state"] == "online"
    info = json.loads(listener.wait_for("/info").payload)
    assert info["radar_sha256"] == mmecg.sha256
    publisher.vitals(GOOD)
    vitals = listener.wait_for("radarecg/v1/radar-0001/vitals")
    assert json.loads(vitals.payload)["hr"]["value"] == 64.0
    publisher.close()
    assert json.loads(listener.wait_for("/status").payload) | {"boot": ""} == {
        "schema": "radarecg.status/1",
        "device": "radar-0001",
        "boot": "",
        "intended_use": "research",
        "state": "offline",
        "reason": "stopped",
    }
    listener.close()


def test_measurements_are_not_retained_status_and_info_are(mosquitto_port, mmecg):
    publisher = connected(mosquitto_port, mmecg)
    publisher.vitals(GOOD)
    time.sleep(0.5)
    late = Listener(mosquitto_port)
    topics = {late.wait_for("").topic.rsplit("/", 1)[1] for _ in range(2)}
    assert topics == {"status", "info"}
    with pytest.raises(queue.Empty):
        late.wait_for("/vitals", timeout_s=0.5)
    publisher.close()
    late.close()


def test_a_broker_that_knows_only_mqtt_3_1_1_gets_the_vitals_too(tmp_path, mmecg, caplog):
    with running_broker("amqtt", tmp_path) as port:
        listener = Listener(port)
        publisher = connected(port, mmecg)
        assert "does not speak MQTT 5" in caplog.text

        def delivered() -> bool:
            publisher.vitals(GOOD)
            time.sleep(0.3)
            return not listener.messages.empty()

        wait(delivered)
        assert json.loads(listener.wait_for("/vitals").payload)["hr"]["value"] == 64.0
        publisher.close()
        listener.close()


def test_a_killed_device_is_said_to_be_offline(mosquitto_port, mmecg):
    listener = Listener(mosquitto_port)
    code = (
        "import time\n"
        "from edge.mqtt.client import MAX_UNDER_WAY, Broker\nfrom edge.mqtt.publisher import Publisher\n"
        "from edge.radar.firmware import load_chirp\n"
        f"Publisher(Broker(port={mosquitto_port}), 'radar-0001', load_chirp({mmecg.source!r}))\n"
        "time.sleep(60)\n"
    )
    device = subprocess.Popen([sys.executable, "-c", code])
    listener.wait_for("/info")
    device.send_signal(signal.SIGKILL)
    device.wait()
    gone = listener.wait_for("/status", matching=lambda m: json.loads(m.payload)["state"] == "offline")
    assert json.loads(gone.payload)["reason"] == "connection_lost"
    listener.close()


def test_no_broker_yet_then_one_then_none_then_one(tmp_path, mmecg):
    port = free_port()
    publisher = Publisher(Broker(port=port), "radar-0001", mmecg)
    publisher.vitals(GOOD)
    assert publisher.client.dropped == 1
    with running_broker("mosquitto", tmp_path, port):
        assert publisher.client.connected.wait(timeout=20)
    wait(lambda: not publisher.client.connected.is_set())
    publisher.vitals(GOOD)
    assert publisher.client.dropped == 2
    with running_broker("mosquitto", tmp_path, port):
        listener = Listener(port)
        assert publisher.client.connected.wait(timeout=20)
        assert json.loads(listener.wait_for("/status").payload)["state"] == "online"
        publisher.vitals(GOOD)
        listener.wait_for("/vitals")
        listener.close()
    publisher.close()


def test_a_stalled_broker_is_not_sent_a_backlog(tmp_path, mmecg):
    port = free_port()
    with running_broker("mosquitto", tmp_path, port) as _:
        publisher = connected(port, mmecg)
        listener = Listener(port)
        broker = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=True)
        pids = [int(pid) for pid in broker.stdout.split()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for _ in range(60):
            publisher.vitals(GOOD)
        assert publisher.client.dropped >= 60 - MAX_UNDER_WAY
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        wait(lambda: listener.messages.qsize() >= 1)
        time.sleep(1)
        assert listener.messages.qsize() <= MAX_UNDER_WAY + 2  # status and info may be among them
        publisher.vitals(GOOD)
        publisher.close()
        listener.close()


def test_a_refused_password_is_said_and_not_fatal(strict_mosquitto_port, mmecg, caplog):
    publisher = Publisher(Broker(port=strict_mosquitto_port, username="x", password="y"), "radar-0001", mmecg)
    wait(lambda: "refused us" in caplog.text)
    assert not publisher.client.connected.is_set()
    publisher.close()
