"""A connection that is kept: made again when it breaks, said when it cannot be made, and never in the caller's way.

MQTT 5, or 3.1.1 with a warning where the broker knows no better. Every connection is a paho client of its own: the
next one then sends nothing that the last had still to send, which would be old values on live topics. Who sends gets a
ticket for each message and, when the broker has confirmed it, a receipt; without a receipt before the connection ended,
nobody knows.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from typing import Any, NamedTuple

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.broker import CONNACK_S, UNSUPPORTED_VERSION, Broker, paho_client, properties
from edge.mqtt.topics import Topic

WILL_DELAY_S = 5  # a short break of the network is not "offline"
KEEPALIVE_S = 15
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0

log = logging.getLogger(__name__)


class Ticket(NamedTuple):
    """Of a message under way: `connection` counts from 1, `mid` is the packet's number in it."""

    connection: int
    mid: int


class Receipt(NamedTuple):
    """The broker's answer to a message of quality 1; for quality 0, that it was written to the socket."""

    ticket: Ticket
    refused: bool


class _Link:
    """One connection: the paho client, and what it hears on paho's thread."""

    def __init__(self, number: int, client: Client, receipts: queue.SimpleQueue[Receipt]) -> None:
        self.number, self.client, self._receipts = number, client, receipts
        self.said: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        self._refused = False
        client.on_connect, client.on_disconnect, client.on_publish = (
            self._on_connect,
            self._on_disconnect,
            self._on_publish,
        )

    def end(self) -> None:
        """Says goodbye. Any thread may."""
        self.client.disable_logger()  # paho takes its own end for an error
        self.client.disconnect()

    def let_go(self) -> None:
        """Without them the client is not held any more, and closes all its sockets."""
        self.client.on_connect = self.client.on_disconnect = self.client.on_publish = None

    def _on_connect(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, said: Properties | None
    ) -> None:
        self.said.put(reason)

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, said: Properties | None
    ) -> None:
        self.said.put(reason)

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: ReasonCode, said: Properties | None) -> None:
        # paho holds a lock here that publishing takes too: nothing may be waited for.
        self._receipts.put(Receipt(Ticket(self.number, mid), reason.is_failure))
        if reason.is_failure and not self._refused:
            log.error("the broker refuses messages of ours: %s", reason)
            self._refused = True


class MqttClient:
    """Sends one device's messages. `birth` is published at every connection, before anything else."""

    def __init__(
        self, broker: Broker, device: str, will: tuple[Topic, bytes], birth: list[tuple[Topic, bytes]]
    ) -> None:
        self._broker, self._device, self._will, self._birth = broker, device, will, birth
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._link: _Link | None = None
        self._closing = threading.Event()
        self._greeting = threading.Lock()
        self.connected = threading.Event()
        self.connections = 0
        self.receipts: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._keep_connected, name="mqtt", daemon=True)
        self._thread.start()

    @property
    def connection(self) -> int:
        """The number of the present connection, 0 for none."""
        link = self._link
        return link.number if link else 0

    def send(self, topic: Topic, payload: bytes) -> Ticket | None:
        """Sends at once; None when there is no connection."""
        if (link := self._link) is None:
            return None
        sent = self._publish(link.client, topic, payload)
        return Ticket(link.number, sent.mid) if sent.rc == MQTT_ERR_SUCCESS else None

    def renew(self, topic: Topic, payload: bytes) -> None:
        """Has something else said on a topic of the birth: now, and at every connection to come."""
        with self._greeting:
            self._birth = [(topic, payload) if known is topic else (known, said) for known, said in self._birth]
            self.send(topic, payload)

    def close(self, farewell: tuple[Topic, bytes], timeout_s: float = 2.0) -> None:
        """Publishes the farewell, waits briefly until the broker has it, and disconnects."""
        self._closing.set()
        if (link := self._link) is not None:
            sent = self._publish(link.client, *farewell)
            deadline = time.monotonic() + timeout_s
            while sent.rc == MQTT_ERR_SUCCESS and not sent.is_published() and time.monotonic() < deadline:
                time.sleep(0.01)
            link.end()
        self._thread.join(timeout_s)

    def _keep_connected(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._closing.is_set():
            spoken = self._protocol
            if self._live_through_one():
                wait_s = FIRST_WAIT_S
            if self._protocol == spoken:
                self._protocol = MQTTProtocolVersion.MQTTv5  # a broker that was only slow is not kept to 3.1.1
                # Not all at once, should the broker have lost a whole ward.
                self._closing.wait(wait_s * random.uniform(0.5, 1.0))
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _live_through_one(self) -> bool:
        """One connection, from its beginning to its end; whether the broker let us in."""
        link = _Link(self.connections + 1, self._new_client(), self.receipts)
        try:
            self._connect(link.client)
            link.client.loop_start()
            return self._serve(link)
        except OSError as error:
            log.warning("cannot reach the broker at %s (%s); trying again", self._broker.place, str(error))
            return False
        finally:
            link.end()
            link.client.loop_stop()
            link.let_go()

    def _serve(self, link: _Link) -> bool:
        try:
            answer = link.said.get(timeout=CONNACK_S)
        except queue.Empty:
            answer = None
        if self._protocol == MQTTProtocolVersion.MQTTv5 and (answer is None or answer.value in UNSUPPORTED_VERSION):
            log.warning("the broker does not speak MQTT 5; falling back to 3.1.1, without expiry and without refusals")
            self._protocol = MQTTProtocolVersion.MQTTv311
            return False
        if answer is None or answer.is_failure:
            log.error("the broker at %s refused us: %s", self._broker.place, answer or "no answer")
            return False
        log.info("connected to the broker at %s", self._broker.place)
        self.connections = link.number
        with self._greeting:
            for topic, payload in self._birth:
                self._publish(link.client, topic, payload)
            self._link = link
        self.connected.set()
        end = link.said.get()
        self._link = None
        self.connected.clear()
        if not self._closing.is_set():
            log.warning("lost the broker (%s); trying again", end)
        return True

    def _new_client(self) -> Client:
        # An id for each version: a broker that choked on the first must not take the second for the same session.
        client = paho_client(self._broker, self._protocol, f"radarecg-{self._device}-{self._protocol.name.lower()}")
        client.enable_logger(log.getChild("paho"))
        topic, payload = self._will
        delay = properties(self._protocol, PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
        client.will_set(topic.name(self._device), payload, topic.qos, topic.retain, delay)
        return client

    def _connect(self, client: Client) -> None:
        broker = self._broker
        if self._protocol != MQTTProtocolVersion.MQTTv5:
            client.connect(broker.host, broker.port, KEEPALIVE_S)
            return
        # A will's delay ends with the session, so there must be one that lasts as long, and is taken up again.
        lasting = properties(self._protocol, PacketTypes.CONNECT, SessionExpiryInterval=WILL_DELAY_S)
        client.connect(broker.host, broker.port, KEEPALIVE_S, clean_start=False, properties=lasting)

    def _publish(self, client: Client, topic: Topic, payload: bytes) -> MQTTMessageInfo:
        expiry = None
        if topic.expiry_s is not None:
            expiry = properties(client.protocol, PacketTypes.PUBLISH, MessageExpiryInterval=topic.expiry_s)
        return client.publish(topic.name(self._device), payload, topic.qos, topic.retain, expiry)
