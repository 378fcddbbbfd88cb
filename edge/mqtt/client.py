"""A paho client that keeps its word: connects when it can, says when it cannot, and never blocks the caller.

MQTT 5, or 3.1.1 with a warning where the broker knows no better. What paho does badly is settled here:
it retries a refused protocol version for ever, a raised exception in a callback kills its thread in silence, and
stopping it before disconnecting waits for the keep-alive.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.topics import Topic

WILL_DELAY_S = 5  # a short break of the network is not "offline"
KEEPALIVE_S = 15
MAX_UNDER_WAY = 12  # about two seconds of vitals and waveform
CONNACK_S = 3.0  # some MQTT 3.1.1 brokers do not even refuse an MQTT 5 will: they never answer
_UNSUPPORTED_VERSION = {0x84, 0x01}  # MQTT 5 and MQTT 3.1.1 reason codes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to publish. The password comes from a file, never from a command line."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None


class MqttClient:
    """Publishes one device's topics. `birth` is published, retained, at every connection."""

    def __init__(
        self, broker: Broker, device: str, will: tuple[Topic, bytes], birth: list[tuple[Topic, bytes]]
    ) -> None:
        self._broker, self._device, self._will, self._birth = broker, device, will, birth
        self._closing = False
        self._answered = threading.Event()
        self._sent = self._handed_over = 0
        self.connected = threading.Event()
        self.dropped = 0
        self._start(MQTTProtocolVersion.MQTTv5)

    def publish(self, topic: Topic, payload: bytes) -> None:
        """Sends now or, if the broker is away or stalls, counts it as dropped: better no live value than an old one.

        What is under way when a connection breaks is sent again, at most MAX_UNDER_WAY messages.
        """
        if not self.connected.is_set() or self._sent - self._handed_over >= MAX_UNDER_WAY:
            self.dropped += 1
            return
        self._send(self._client, topic, payload)

    def gauges(self) -> dict[str, float]:
        """How the connection is doing, by the names of metrics."""
        return {"mqtt_connected": int(self.connected.is_set()), "mqtt_messages_dropped_total": self.dropped}

    def close(self, farewell: tuple[Topic, bytes], timeout_s: float = 2.0) -> None:
        """Publishes the farewell, waits briefly until the broker has it, and disconnects."""
        if self.connected.is_set():
            sent = self._send(self._client, *farewell)
            deadline = time.monotonic() + timeout_s
            while sent.rc == MQTT_ERR_SUCCESS and not sent.is_published() and time.monotonic() < deadline:
                time.sleep(0.01)
        self._closing = True
        self._client.disconnect()
        self._client.loop_stop()

    def _start(self, protocol: MQTTProtocolVersion) -> None:
        # An id for each version: a broker that choked on the first must not take the second for the same session.
        client_id = f"radarecg-{self._device}-{protocol.name.lower()}"
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
        client.suppress_exceptions = True
        client.enable_logger(log.getChild("paho"))
        client.reconnect_delay_set(1, 30)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        topic, payload = self._will
        delay = _properties(protocol, PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
        client.will_set(topic.name(self._device), payload, topic.qos, topic.retain, delay)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_disconnect = self._on_disconnect
        client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_S)
        self._client = client
        client.loop_start()

    def _send(self, client: Client, topic: Topic, payload: bytes) -> MQTTMessageInfo:
        properties = None
        if topic.expiry_s is not None:
            properties = _properties(client.protocol, PacketTypes.PUBLISH, MessageExpiryInterval=topic.expiry_s)
        self._sent += 1
        return client.publish(topic.name(self._device), payload, topic.qos, topic.retain, properties)

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._answered.set()
        if not reason.is_failure:
            log.info("connected to the broker at %s:%d", self._broker.host, self._broker.port)
            self._sent = self._handed_over = 0  # paho forgets, without a word, what had no guarantee
            for topic, payload in self._birth:
                self._send(client, topic, payload)
            self.connected.set()
        elif reason.value in _UNSUPPORTED_VERSION and client.protocol == MQTTProtocolVersion.MQTTv5:
            threading.Thread(target=self._fall_back, args=(client,), daemon=True).start()
        else:
            log.error("the broker at %s:%d refused us: %s", self._broker.host, self._broker.port, reason)

    def _on_connect_fail(self, client: Client, userdata: Any) -> None:
        log.warning("cannot reach the broker at %s:%d; trying again", self._broker.host, self._broker.port)

    def _on_socket_open(self, client: Client, userdata: Any, socket: Any) -> None:
        self._answered = threading.Event()
        if client.protocol == MQTTProtocolVersion.MQTTv5:
            threading.Thread(target=self._await_answer, args=(client, self._answered), daemon=True).start()

    def _on_socket_close(self, client: Client, userdata: Any, socket: Any) -> None:
        self._answered.set()  # a broker that hangs up has answered, in its way

    def _await_answer(self, client: Client, answered: threading.Event) -> None:
        if not answered.wait(CONNACK_S) and client is self._client and not self._closing:
            self._fall_back(client)

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._handed_over += 1

    def _fall_back(self, refused: Client) -> None:
        """On a thread of its own: a paho client cannot be stopped from its own callback."""
        log.warning("the broker does not speak MQTT 5; falling back to 3.1.1, without message expiry")
        refused.disconnect()
        refused.loop_stop()
        if not self._closing:
            self._start(MQTTProtocolVersion.MQTTv311)

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.connected.clear()
        if reason.is_failure and not self._closing:
            log.warning("lost the broker (%s); trying again", reason)


def greet(broker: Broker) -> ReasonCode | None:
    """Connects and leaves again: what the broker answered, in MQTT 5 or, if it knows no better, 3.1.1; None if nothing.

    Raises OSError when nobody accepts the connection.
    """
    answer = None
    for protocol in (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311):
        answer = _greet(broker, protocol)
        if answer is not None and answer.value not in _UNSUPPORTED_VERSION:
            break
    return answer


def _greet(broker: Broker, protocol: MQTTProtocolVersion) -> ReasonCode | None:
    answers: list[ReasonCode] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    client.on_connect = lambda client, userdata, flags, reason, properties: answers.append(reason)
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    client.connect_timeout = CONNACK_S
    client.connect(broker.host, broker.port)
    end_s = time.monotonic() + CONNACK_S
    while not answers and time.monotonic() < end_s and client.loop(0.1) == MQTT_ERR_SUCCESS:
        pass
    client.disconnect()
    return answers[0] if answers else None


def _properties(protocol: int, packet: int, **values: int) -> Properties | None:
    """MQTT 5 properties, or none where the protocol has none."""
    if protocol != MQTTProtocolVersion.MQTTv5:
        return None
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
