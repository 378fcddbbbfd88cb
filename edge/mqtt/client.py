"""The device's connection to its broker: birth, will, and messages that are confirmed or known not to be.

Who sends gets a ticket for each message and, when the broker has confirmed it, a receipt; without a receipt before the
connection ended, nobody knows.
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
from edge.mqtt.connection import Connection, Link, Terms
from edge.mqtt.limits import publish_bytes
from edge.mqtt.reasons import explain
from edge.mqtt.topics import Topic

WILL_DELAY_S = 5  # a short break of the network is not "offline"

log = logging.getLogger(__name__)


class PublishToken(NamedTuple):
    """Of a message under way: `connection` counts from 1, `mid` is the packet's number in it, below 0 if unsent."""

    connection: int
    mid: int


class PublishAck(NamedTuple):
    """The broker's answer to a message of quality 1; for quality 0, that it was written to the socket.

    A message above the broker's maximum packet size is not sent, and counts as refused.
    """

    ticket: PublishToken
    refused: bool


class MqttClient(Connection):
    """Sends one device's messages. `birth` is published at every connection, before anything else."""

    def __init__(
        self, broker: Broker, device: str, will: tuple[Topic, bytes], birth: list[tuple[Topic, bytes]]
    ) -> None:
        way_out = f'stop the other runtime of the device "{device}", or change `device` in the settings of one of them'
        # A will's delay ends with the session, so there must be one that lasts as long, and is taken up again.
        super().__init__(broker, f"radarecg-{device}", WILL_DELAY_S, is_persistent=False, way_out=way_out)
        self._device, self._will, self._birth = device, will, birth
        self._birth_lock = threading.Lock()
        self._unsent = itertools.count(-1, -1)
        self._refused_kinds: set[object] = set()  # of the present connection: each is logged once
        self.receipts: queue.SimpleQueue[PublishAck] = queue.SimpleQueue()
        self._thread.start()

    def send(self, topic: Topic, payload: bytes) -> PublishToken | None:
        """Sends at once; None when there is no connection."""
        link = self._link
        return self._publish(link, topic, payload) if link else None

    def update_birth_message(self, topic: Topic, payload: bytes) -> None:
        """Publishes something else on a topic of the birth: now, and at every connection to come."""
        with self._birth_lock:
            self._birth = [(topic, payload) if known is topic else (known, old) for known, old in self._birth]
            self.send(topic, payload)

    def close(self, farewell: tuple[Topic, bytes], timeout_s: float = 2.0) -> None:
        """Publishes the farewell, waits briefly until the broker has it, and disconnects."""
        self._closing.set()
        if (link := self._link) is not None:
            ticket, deadline = self._publish(link, *farewell), time.monotonic() + timeout_s
            while ticket and time.monotonic() < deadline:
                try:
                    if self.receipts.get(timeout=0.01).ticket == ticket:
                        break
                except queue.Empty:
                    if self.connection != ticket.connection:
                        break
            link.end()
        self._thread.join(timeout_s)

    def _prepare(self, client: Client, terms: Terms) -> None:
        topic, payload = self._will
        delay = properties(client.protocol, PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
        qos, retain = min(topic.qos, terms.will_qos), topic.retain and terms.is_will_retained
        client.will_set(topic.name(self._device), payload, qos, retain, delay)

    def _on_accepted(self, link: Link) -> None:
        log.info("connected to the broker at %s", self._broker.place)
        if not link.limits.retains:
            log.warning("the broker keeps no retained messages: later subscribers do not see status, info and health")
        if not link.limits.qos:
            log.warning("the broker confirms no message (its maximum QoS is 0): what a broken connection loses is lost")
        self._refused_kinds.clear()
        link.client.on_publish = lambda client, userdata, mid, reason, answer: self._on_publish(
            link, mid, reason, answer
        )
        with self._birth_lock:
            for topic, payload in self._birth:
                self._publish(link, topic, payload)
            self._link = link

    def _on_publish(self, link: Link, mid: int, reason: ReasonCode, answer: Properties | None) -> None:
        # paho holds a lock here that publishing takes too: nothing may be waited for.
        self.receipts.put(PublishAck(PublishToken(link.number, mid), reason.is_failure))
        if reason.is_failure and reason.value not in self._refused_kinds:
            self._refused_kinds.add(reason.value)
            log.error("the broker refuses messages of ours: %s", explain(reason, answer))

    def _publish(self, link: Link, topic: Topic, payload: bytes) -> PublishToken | None:
        client, limits, name = link.client, link.limits, topic.name(self._device)
        expiry = {} if topic.expiry_s is None else {"MessageExpiryInterval": topic.expiry_s}
        packed = properties(client.protocol, PacketTypes.PUBLISH, **expiry)
        qos = min(topic.qos, limits.qos)
        if limits.packet_bytes and (size := publish_bytes(name, payload, qos, packed)) > limits.packet_bytes:
            ticket = PublishToken(link.number, next(self._unsent))
            self.receipts.put(PublishAck(ticket, refused=True))
            self._report_too_large(name, size, limits.packet_bytes)
            return ticket
        sent = client.publish(name, payload, qos, topic.retain and limits.retains, packed)
        return PublishToken(link.number, sent.mid) if sent.rc == MQTT_ERR_SUCCESS else None

    def _report_too_large(self, name: str, size: int, limit: int) -> None:
        if name not in self._refused_kinds:
            self._refused_kinds.add(name)
            log.error(
                "a message on %s of %d bytes is not sent: the broker at %s takes at most %d; raise its maximum packet "
                "size (mosquitto: max_packet_size), then what was kept follows",
                *(name, size, self._broker.place, limit),
            )
