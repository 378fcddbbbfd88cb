"""MQTT subscription shared by several programs: each message is delivered to one of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.broker import Broker
from edge.mqtt.connection import Connection
from edge.mqtt.fields import MAX_PAYLOAD_BYTES
from edge.mqtt.link import ConnectOptions, Link
from edge.mqtt.reasons import SHARED_NOT_SUPPORTED, explain
from edge.mqtt.topics import Topic

MAX_HEADER_BYTES = 1 << 17  # the topic and the properties of a packet, each up to 64 KiB

log = logging.getLogger(__name__)


class Subscriber(Connection):
    """Receives `topics` of every device, shared with the other members of `group` if the broker supports it.

    Without a group, every subscriber receives every message, and the retained ones at each connection.

    While it is disconnected, the broker keeps its session for the longest message expiry of these topics; after that,
    the other members receive all messages. `on_message` is called on paho's thread; when it returns, the message is
    confirmed. A message above MAX_PAYLOAD_BYTES is confirmed, counted in `too_large` and not passed on; an MQTT 5
    broker does not send it.
    """

    max_packet_bytes = MAX_PAYLOAD_BYTES + MAX_HEADER_BYTES

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        group: str | None,
        topics: Sequence[Topic],
        takeover_advice: str,
        on_message: Callable[[str, bytes], object],
    ) -> None:
        session_s = max(topic.expiry_s or 0 for topic in topics)
        super().__init__(broker, client_id, session_s, is_persistent=True, takeover_advice=takeover_advice)
        self.group, self._topics, self._on_message = group, topics, on_message
        self._subscribed = 0  # number of the connection on which the subscription was granted
        self.is_shared = group is not None
        self.too_large = 0
        self._thread.start()

    @property
    def is_subscribed(self) -> bool:
        """Whether the subscription is active."""
        return self.connection == self._subscribed != 0

    def close(self, timeout_s: float = 2.0) -> None:
        """Disconnects; the broker keeps the session until it expires."""
        self._closing.set()
        if (link := self._link) is not None:
            link.end()
        self._thread.join(timeout_s)

    def _prepare(self, client: Client, options: ConnectOptions) -> None:
        def on_message(_client: Client, _userdata: Any, message: MQTTMessage) -> None:
            if len(message.payload) <= MAX_PAYLOAD_BYTES:
                self._on_message(message.topic, bytes(message.payload))
                return
            self.too_large += 1
            if self.too_large == 1:
                log.error(
                    "a message on %s has more than %d bytes; such messages are ignored",
                    message.topic,
                    MAX_PAYLOAD_BYTES,
                )

        client.on_message = on_message

    def _on_accepted(self, link: Link) -> None:
        self._link = link
        is_v5 = link.client.protocol == MQTTProtocolVersion.MQTTv5
        self.is_shared = self.group is not None and is_v5 and link.limits.shares
        self._subscribe(link)

    def _subscribe(self, link: Link) -> None:
        def on_subscribe(_c: Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
            failures = [reason for reason in reasons if reason.is_failure]
            if self.is_shared and any(reason.value == SHARED_NOT_SUPPORTED for reason in failures):
                self.is_shared = False
                self._subscribe(link)
            elif failures:
                why = explain(failures[0])
                self._report(f"the broker at {self._broker.address} refuses the subscription: {why}", logging.ERROR)
            else:
                self._subscribed = link.number

        link.client.on_subscribe = on_subscribe
        prefix = f"$share/{self.group}/" if self.is_shared else ""
        link.client.subscribe([(f"{prefix}{topic.name('+')}", 1) for topic in self._topics])
