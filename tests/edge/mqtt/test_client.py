"""The client with real brokers: birth, will, retained messages, protocol versions, refusals, network failures."""

import json
import queue
import signal
import sys
import time

import paho.mqtt.client as paho
import pytest

from edge.mqtt.broker import Broker
from tests.helpers.brokers import Listener, broker_process, free_port, running_broker
from tests.helpers.network import Link
from tests.helpers.processes import child
from tests.helpers.publishing import GOOD, connected, start_publisher, wait


def test_messages_of_a_normal_run(mosquitto_port, mmecg, tmp_path, caplog):
    listener = Listener(mosquitto_port)
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    assert json.loads(listener.wait_for("/status").payload)["state"] == "online"
    info = json.loads(listener.wait_for("/info").payload)
    assert info["radar_sha256"] == mmecg.sha256
    publisher.vitals(GOOD)
    vitals = listener.wait_for("radarecg/v1/radar-0001/vitals")
    assert json.loads(vitals.payload)["hr"]["value"] == 64.0
    assert json.loads(listener.wait_for("/event").payload)["ended"] == ["warming_up"]
    assert json.loads(listener.wait_for("/health").payload)["connections"] == 1
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
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_measurements_are_not_retained_status_info_and_health_are(mosquitto_port, mmecg, tmp_path):
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    publisher.vitals(GOOD)
    time.sleep(0.5)
    late = Listener(mosquitto_port)
    topics = {late.wait_for("").topic.rsplit("/", 1)[1] for _ in range(3)}
    assert topics == {"status", "info", "health"}
    with pytest.raises(queue.Empty):
        late.wait_for("/vitals", timeout_s=0.5)
    publisher.close()
    late.close()


def test_a_broker_without_mqtt_5_receives_vitals(tmp_path, mmecg, caplog):
    with running_broker("amqtt", tmp_path) as port:
        listener = Listener(port)
        publisher = connected(port, tmp_path, mmecg)
        assert "does not support MQTT 5" in caplog.text

        def delivered() -> bool:
            publisher.vitals(GOOD)
            time.sleep(0.3)
            return not listener.messages.empty()

        wait(delivered)
        assert json.loads(listener.wait_for("/vitals").payload)["hr"]["value"] == 64.0
        publisher.close()
        listener.close()


def test_a_killed_device_is_reported_offline(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port)
    code = (
        "import time\nfrom pathlib import Path\n"
        "from edge.radar.chirp_file.parser import load_chirp\nfrom tests.helpers.publishing import start_publisher\n"
        f"start_publisher({mosquitto_port}, Path({str(tmp_path)!r}), load_chirp({mmecg.source!r}))\n"
        "time.sleep(60)\n"
    )
    with child([sys.executable, "-c", code]):
        listener.wait_for("/info")
    gone = listener.wait_for("/status", matching=lambda m: json.loads(m.payload)["state"] == "offline")
    assert json.loads(gone.payload)["reason"] == "connection_lost"
    listener.close()


def test_a_short_network_interruption_is_not_reported_offline(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port)
    with Link(mosquitto_port) as link:
        publisher = connected(link.port, tmp_path, mmecg)
        link.cut()
        wait(lambda: publisher.client.connections == 2)
        publisher.close()
    gone = listener.wait_for("/status", matching=lambda m: json.loads(m.payload)["state"] == "offline")
    assert json.loads(gone.payload)["reason"] == "stopped"
    listener.close()


def test_reconnects_whenever_the_broker_is_available(tmp_path, mmecg):
    port = free_port()
    publisher = start_publisher(port, tmp_path, mmecg)
    with running_broker("mosquitto", tmp_path, port):
        assert publisher.client.connected.wait(timeout=60)
    wait(lambda: not publisher.client.connected.is_set())
    with running_broker("mosquitto", tmp_path, port):
        listener = Listener(port)
        assert publisher.client.connected.wait(timeout=60)
        assert json.loads(listener.wait_for("/status").payload)["state"] == "online"
        publisher.vitals(GOOD)
        listener.wait_for("/vitals")
        listener.close()
    publisher.close()


def test_mqtt_5_is_tried_again_after_a_slow_answer(tmp_path, mmecg, caplog, monkeypatch):
    monkeypatch.setattr("edge.mqtt.connection.CONNACK_S", 0.2)
    port = free_port()
    with broker_process("mosquitto", tmp_path, port) as broker, Link(port) as link:
        broker.send_signal(signal.SIGSTOP)
        publisher = start_publisher(link.port, tmp_path, mmecg)
        wait(lambda: "refused the connection: no answer" in caplog.text)  # in 3.1.1 neither
        assert "falling back" in caplog.text
        monkeypatch.setattr("edge.mqtt.connection.CONNACK_S", 60.0)
        broker.send_signal(signal.SIGCONT)
        assert publisher.client.connected.wait(60)  # in either
        link.cut()
        wait(lambda: not publisher.client.connected.is_set())
        assert publisher.client.connected.wait(60)
        assert publisher.client._link.client.protocol == paho.MQTTv5
        publisher.close()


def test_a_refused_password_is_logged_and_not_fatal(strict_mosquitto_port, mmecg, tmp_path, caplog):
    broker = Broker(port=strict_mosquitto_port, username="x", password="y")
    publisher = start_publisher(broker, tmp_path, mmecg)
    wait(lambda: "refused the connection" in caplog.text)
    assert not publisher.client.connected.is_set()
    publisher.close()
