"""MQTT subscription of one program to every device, with retained messages, and single topics while they are needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.broker import Broker, properties
from edge.mqtt.connection import Connection
from edge.mqtt.fields import MAX_PAYLOAD_BYTES
from edge.mqtt.link import ConnectOptions, Link
from edge.mqtt.reasons import explain
from edge.mqtt.subscriber import MAX_HEADER_BYTES
from edge.mqtt.topics import Topic

log = logging.getLogger(__name__)


class Received(NamedTuple):
    """A message of `device` on the topic with this suffix; `age_s`: how long the broker had it at least."""

    device: str
    suffix: str
    payload: bytes
    age_s: float


class Watcher(Connection):
    """Receives `topics` of every device, and others of single devices between `watch` and `unwatch`.

    The broker keeps nothing for this client while it is disconnected, so no old message arrives as a new one; at each
    connection the retained messages arrive again. `on_message` is called on paho's thread. Messages above
    MAX_PAYLOAD_BYTES are ignored.
    """

    max_packet_bytes = MAX_PAYLOAD_BYTES + MAX_HEADER_BYTES

    def __init__(
        self, broker: Broker, client_id: str, topics: Sequence[Topic], on_message: Callable[[Received], object]
    ) -> None:
        advice = "each program needs an id of its own"
        super().__init__(broker, client_id, session_s=0, is_persistent=False, takeover_advice=advice)
        self._topics, self._on_message = topics, on_message
        self._expiry_s = {topic.suffix: topic.expiry_s for topic in topics}
        self._watched: set[tuple[str, Topic]] = set()
        self._lock = threading.Lock()  # of `_watched` and `_first_mid`
        self._first_mid: int | None = None
        self._subscribed = 0  # number of the connection on which the subscription was granted
        self._is_too_large_reported = False
        self._thread.start()

    @property
    def is_subscribed(self) -> bool:
        """Whether messages of the devices arrive."""
        return self.connection == self._subscribed != 0

    def watch(self, device: str, topics: Iterable[Topic]) -> None:
        """Subscribe to topics of one device, now and after each reconnection."""
        with self._lock:
            self._watched |= (added := {(device, topic) for topic in topics})
            if link := self._link:
                link.client.subscribe([(topic.name(name), topic.qos) for name, topic in added])

    def unwatch(self, device: str, topics: Iterable[Topic]) -> None:
        """End the subscription to topics of one device."""
        with self._lock:
            self._watched -= (removed := {(device, topic) for topic in topics})
            if link := self._link:
                link.client.unsubscribe([topic.name(name) for name, topic in removed])

    def publish(self, topic: Topic, name: str, payload: bytes, timeout_s: float) -> None:
        """Publish a message and wait until the broker confirms it. Raises OSError if it does not, so it can be retried.

        A message that the broker refuses (its access list, for example) is logged, and counts as sent.
        """
        if (link := self._link) is None:
            raise OSError(f"not connected to the broker at {self._broker.address}")
        packed = properties(link.client.protocol, PacketTypes.PUBLISH, MessageExpiryInterval=topic.expiry_s or 0)
        sent = link.client.publish(topic.name(name), payload, min(topic.qos, link.limits.qos), topic.retain, packed)
        try:
            sent.wait_for_publish(timeout_s)
        except (RuntimeError, ValueError) as error:
            raise OSError(f"cannot publish on {topic.name(name)}: {error}") from error
        if not sent.is_published():
            raise OSError(f"the broker at {self._broker.address} did not confirm a message in {timeout_s:.0f} s")

    def close(self, timeout_s: float = 2.0) -> None:
        """Disconnect."""
        self._closing.set()
        if (link := self._link) is not None:
            link.end()
        self._thread.join(timeout_s)

    def _prepare(self, client: Client, options: ConnectOptions) -> None:
        client.on_message = self._receive

    def _receive(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        levels = message.topic.split("/", 3)  # radarecg, v1, device, suffix
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            if not self._is_too_large_reported:
                self._is_too_large_reported = True
                log.error(
                    "a message on %s has more than %d bytes; such messages are ignored",
                    *(message.topic, MAX_PAYLOAD_BYTES),
                )
        elif len(levels) == 4:
            # The broker subtracts the time that it had the message (MQTT 5, section 3.3.2.3.3), in whole seconds.
            expiry_s = self._expiry_s.get(levels[3]) or 0
            left_s = getattr(message.properties, "MessageExpiryInterval", expiry_s)
            age_s = max(0.0, expiry_s - left_s - 1.0)
            self._on_message(Received(levels[2], levels[3], bytes(message.payload), age_s))

    def _on_accepted(self, link: Link) -> None:
        def on_subscribe(_c: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
            failures = [reason for reason in reasons if reason.is_failure]
            if failures:
                why = explain(failures[0])
                self._report(f"the broker at {self._broker.address} refuses a subscription: {why}", logging.ERROR)
            with self._lock:
                if mid == self._first_mid and len(failures) < len(reasons):
                    self._subscribed = link.number

        def on_publish(_c: Client, _userdata: Any, _mid: int, reason: ReasonCode, answer: Any) -> None:
            if reason.is_failure:
                why = explain(reason, answer)
                self._report(f"the broker at {self._broker.address} refuses a message: {why}", logging.ERROR)

        link.client.on_subscribe, link.client.on_publish = on_subscribe, on_publish
        with self._lock:
            every = [(topic.name("+"), topic.qos) for topic in self._topics]
            self._first_mid = link.client.subscribe(every)[1]
            if self._watched:
                link.client.subscribe([(topic.name(device), topic.qos) for device, topic in self._watched])
            self._link = link
