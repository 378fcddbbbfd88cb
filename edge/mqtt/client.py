"""MQTT client of one device: birth and will messages, and an acknowledgement for every message sent.

`send` returns a token for each message. When the broker confirms or refuses the message, an acknowledgement with this
token is put in `acks`. If the connection ends without one, it is unknown whether the broker received the message.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from typing import NamedTuple

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.broker import Broker, properties
from edge.mqtt.connection import Connection
from edge.mqtt.limits import publish_packet_bytes
from edge.mqtt.link import ConnectOptions, Link
from edge.mqtt.reasons import explain
from edge.mqtt.topics import Topic

WILL_DELAY_S = 5  # a short network interruption is not reported as "offline"

log = logging.getLogger(__name__)


class PublishToken(NamedTuple):
    """Identifies a message in flight by connection (from 1) and packet number; `mid` is negative if it was not sent."""

    connection: int
    mid: int


class PublishAck(NamedTuple):
    """The broker's acknowledgement of a QoS 1 message; for QoS 0, the message was written to the socket.

    A message above the broker's maximum packet size is not sent and is reported as refused.
    """

    token: PublishToken
    refused: bool


class MqttClient(Connection):
    """Publishes the messages of one device. `birth` is published first on every connection."""

    def __init__(
        self, broker: Broker, device: str, will: tuple[Topic, bytes], birth: list[tuple[Topic, bytes]]
    ) -> None:
        takeover_advice = (
            f'stop the other runtime of the device "{device}", or change `device` in the settings of one of them'
        )
        # The will delay ends with the session, so the session must last as long, and be resumed.
        super().__init__(
            broker, f"radarecg-{device}", WILL_DELAY_S, is_persistent=False, takeover_advice=takeover_advice
        )
        self._device, self._will, self._birth = device, will, birth
        self._birth_lock = threading.Lock()
        self._unsent = itertools.count(-1, -1)
        self._reported_refusals: set[object] = set()  # on this connection; each is logged once
        self.acks: queue.SimpleQueue[PublishAck] = queue.SimpleQueue()
        self._thread.start()

    def send(self, topic: Topic, payload: bytes) -> PublishToken | None:
        """Send the message immediately; return None without a connection."""
        link = self._link
        return self._publish(link, topic, payload) if link else None

    def update_birth_message(self, topic: Topic, payload: bytes) -> None:
        """Replace the payload of a birth topic, and publish it now and on every later connection."""
        with self._birth_lock:
            self._birth = [(topic, payload) if other is topic else (other, old) for other, old in self._birth]
            self.send(topic, payload)

    def close(self, final_message: tuple[Topic, bytes], timeout_s: float = 2.0) -> None:
        """Publish the final message, wait up to `timeout_s` for its acknowledgement, and disconnects."""
        self._closing.set()
        if (link := self._link) is not None:
            token, deadline = self._publish(link, *final_message), time.monotonic() + timeout_s
            while token and time.monotonic() < deadline:
                try:
                    if self.acks.get(timeout=0.01).token == token:
                        break
                except queue.Empty:
                    if self.connection != token.connection:
                        break
            link.end()
        self._thread.join(timeout_s)

    def _prepare(self, client: Client, options: ConnectOptions) -> None:
        topic, payload = self._will
        delay = properties(client.protocol, PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
        qos, retain = min(topic.qos, options.will_qos), topic.retain and options.is_will_retained
        client.will_set(topic.name(self._device), payload, qos, retain, delay)

    def _on_accepted(self, link: Link) -> None:
        log.info("connected to the broker at %s", self._broker.address)
        if not link.limits.retains:
            log.warning("the broker does not support retained messages: new subscribers get no status, info and health")
        if not link.limits.qos:
            log.warning("the broker supports only QoS 0: messages in flight are lost when the connection breaks")
        self._reported_refusals.clear()
        link.client.on_publish = lambda client, userdata, mid, reason, answer: self._on_publish(
            link, mid, reason, answer
        )
        with self._birth_lock:
            for topic, payload in self._birth:
                self._publish(link, topic, payload)
            self._link = link

    def _on_publish(self, link: Link, mid: int, reason: ReasonCode, answer: Properties | None) -> None:
        # paho holds a lock here that publishing needs too, so this method must not block.
        self.acks.put(PublishAck(PublishToken(link.number, mid), reason.is_failure))
        if reason.is_failure and reason.value not in self._reported_refusals:
            self._reported_refusals.add(reason.value)
            log.error("the broker refuses messages from this device: %s", explain(reason, answer))

    def _publish(self, link: Link, topic: Topic, payload: bytes) -> PublishToken | None:
        client, limits, name = link.client, link.limits, topic.name(self._device)
        expiry = {} if topic.expiry_s is None else {"MessageExpiryInterval": topic.expiry_s}
        packed = properties(client.protocol, PacketTypes.PUBLISH, **expiry)
        qos = min(topic.qos, limits.qos)
        if limits.packet_bytes and (size := publish_packet_bytes(name, payload, qos, packed)) > limits.packet_bytes:
            token = PublishToken(link.number, next(self._unsent))
            self.acks.put(PublishAck(token, refused=True))
            self._report_too_large(name, size, limits.packet_bytes)
            return token
        sent = client.publish(name, payload, qos, topic.retain and limits.retains, packed)
        return PublishToken(link.number, sent.mid) if sent.rc == MQTT_ERR_SUCCESS else None

    def _report_too_large(self, name: str, size: int, limit: int) -> None:
        if name not in self._reported_refusals:
            self._reported_refusals.add(name)
            log.error(
                "a message on %s of %d bytes is not sent: the broker at %s accepts at most %d; raise its maximum "
                "packet size (mosquitto: max_packet_size); spooled messages are sent afterwards",
                *(name, size, self._broker.address, limit),
            )
