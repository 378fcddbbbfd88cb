"""A broker that breaks the protocol: every connection to it ends, and the device connects again and loses nothing."""

import json

import pytest
from paho.mqtt.enums import MQTTErrorCode

from edge.mqtt.connection import KEEPALIVE_S
from edge.mqtt.guarded_client import MAX_INCOMPLETE, GuardedClient
from edge.mqtt.reasons import MAX_TEXT
from tests.helpers.brokers import ACCEPTED, Listener, ScriptedBroker, running_broker
from tests.helpers.publishing import GOOD, connected, start_publisher, wait

ONE_IN_FLIGHT = (0, b"\x21\x00\x01")  # receive maximum 1
OTHER_NUMBERS = b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in range(1000, 1300))
BAD_UTF8_DISCONNECT = b"\xe0\x06\x80\x04\x1f\x00\x01\xff"


class HostileBroker(ScriptedBroker):
    """Sends bytes instead of a CONNACK (`first`), or after it (`then`); the connection stays open from its side."""

    def __init__(self, *connacks, first: bytes = b"", then: bytes = b"") -> None:
        self._first, self._then = first, then
        super().__init__(*connacks, is_silent=True)

    def _answer(self, connection, first: int, body: bytes, size: int) -> None:
        if first >> 4 == 1 and self._first:
            self.connects.append(body)
            connection.sendall(self._first)
            return
        super()._answer(connection, first, body, size)
        if first >> 4 == 1:
            connection.sendall(self._then)


def qos_2(number: int) -> bytes:
    return b"\x34\x06\x00\x01x" + number.to_bytes(2, "big") + b"\x00"


TRICKS = {
    "normal end in place of a CONNACK": {"first": b"\xe0\x01\x00"},
    "acknowledgement in place of a CONNACK": {"first": b"\x40\x02\x00\x01"},
    "a second CONNACK": {"then": b"\x20\x03\x00\x00\x00"},
    "a packet of 256 MB": {"then": b"\x30\xff\xff\xff\x7f"},
    "a length without end": {"then": b"\x30\xff\xff\xff\xff\xff"},
    "a text that is not UTF-8": {"then": BAD_UTF8_DISCONNECT},
    "no packet of a broker": {"then": b"\x00\x00"},
    "QoS 3": {"then": b"\x36\x06\x00\x01x\x00\x01\x00"},
    "QoS 2 without an end": {"then": b"".join(map(qos_2, range(1, MAX_INCOMPLETE + 2)))},
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_violation_ends_the_connection_and_the_device_connects_again(tmp_path, mmecg, monkeypatch, trick):
    monkeypatch.setattr("edge.mqtt.connection.FIRST_WAIT_S", 0.01)
    with HostileBroker(**TRICKS[trick]) as broker:
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: len(broker.connects) >= 3)
        assert publisher.client.takeovers == 0
        assert "another program" not in (publisher.client.fault or "")
        publisher.close()


def test_an_exception_in_the_client_ends_the_connection_and_not_the_thread(tmp_path, mmecg, monkeypatch):
    monkeypatch.setattr("edge.mqtt.connection.FIRST_WAIT_S", 0.01)

    def fail(*_):
        raise AssertionError("what paho does not expect")

    monkeypatch.setattr("paho.mqtt.client.Client._handle_pingresp", fail)
    with HostileBroker(then=b"\xd0\x00") as broker:
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: len(broker.connects) >= 3)
        publisher.close()


def test_a_loop_that_ends_without_a_callback_ends_the_connection(tmp_path, mmecg, monkeypatch):
    monkeypatch.setattr("edge.mqtt.connection.FIRST_WAIT_S", 0.01)
    with ScriptedBroker() as broker:
        monkeypatch.setattr(GuardedClient, "loop_misc", lambda _: MQTTErrorCode.MQTT_ERR_UNKNOWN)
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: len(broker.connects) >= 2)
        publisher.close()


def test_a_message_that_was_not_sent_cannot_be_acknowledged(tmp_path, mmecg, monkeypatch):
    """The broker accepts one message at a time; status is the first of the device, and the second waits."""
    monkeypatch.setattr("edge.mqtt.connection.FIRST_WAIT_S", 0.01)
    with HostileBroker(ONE_IN_FLIGHT, then=b"") as broker:
        publisher = connected(broker.port, tmp_path, mmecg)
        wait(lambda: len(broker.published) == 1)
        broker._sockets[-1].sendall(b"\x40\x02\x00\x02")
        wait(lambda: len(broker.connects) >= 2)
        publisher.close()


@pytest.mark.parametrize("server_s", [0, 65535, 5])
def test_no_server_makes_the_keep_alive_longer(tmp_path, mmecg, server_s):
    with ScriptedBroker((0, b"\x13" + server_s.to_bytes(2, "big"))) as broker:
        publisher = connected(broker.port, tmp_path, mmecg)
        assert publisher.client._link.client.keepalive == (server_s if server_s == 5 else KEEPALIVE_S)
        publisher.close()


def test_a_long_explanation_is_cut(tmp_path, mmecg):
    text = b"x" * 5000
    named = b"\x1f" + len(text).to_bytes(2, "big") + text
    connack = bytes([0, 0x88]) + bytes([len(named) & 0x7F | 0x80, len(named) >> 7]) + named
    packet = b"\x20" + bytes([len(connack) & 0x7F | 0x80, len(connack) >> 7]) + connack
    with HostileBroker(first=packet) as broker:
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: publisher.client.fault)
        assert publisher.client.fault.count("x") < MAX_TEXT + 10
        assert publisher.client.fault.count("x") >= MAX_TEXT
        publisher.close()


def test_nothing_is_lost_to_a_broker_that_acknowledges_other_numbers(tmp_path, mmecg, monkeypatch):
    monkeypatch.setattr("edge.mqtt.connection.FIRST_WAIT_S", 0.01)
    with HostileBroker(ACCEPTED, then=OTHER_NUMBERS) as broker:
        publisher = connected(broker.port, tmp_path, mmecg)
        for _ in range(5):
            publisher.vitals(GOOD)
        wait(lambda: len(broker.published) >= 5)
        assert publisher.outbox.count().spool.messages >= 5
    with running_broker("mosquitto", tmp_path, broker.port):
        listener = Listener(broker.port)
        wait(lambda: publisher.outbox.count().spool.messages == 0)
        listener.wait_for("backfill/vitals", matching=lambda message: json.loads(message.payload)["seq"] > 0)
        publisher.close()
        listener.close()
