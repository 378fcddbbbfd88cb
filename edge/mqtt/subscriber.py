"""A subscription that two programs may share: each message reaches one of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.broker import Broker
from edge.mqtt.connection import Connection, Link, Terms
from edge.mqtt.reasons import SHARED_NOT_SUPPORTED, explain
from edge.mqtt.topics import Topic


class Subscriber(Connection):
    """Receives `topics` of every device, together with the other members of `group` where the broker can share.

    While it is away the broker keeps its session as long as a message of these topics lives, and no longer: members
    that stay are then given all of them. `on_message` is called on paho's thread; when it returns, the message is
    confirmed.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        group: str,
        topics: Sequence[Topic],
        way_out: str,
        on_message: Callable[[str, bytes], object],
    ) -> None:
        session_s = max(topic.expiry_s or 0 for topic in topics)
        super().__init__(broker, client_id, session_s, is_persistent=True, way_out=way_out)
        self._group, self._topics, self._on_message = group, topics, on_message
        self._subscribed = 0  # the number of the connection at which the subscription was granted
        self.is_shared = True
        self._thread.start()

    @property
    def is_subscribed(self) -> bool:
        """Whether messages come."""
        return self.connection == self._subscribed != 0

    def close(self, timeout_s: float = 2.0) -> None:
        """Disconnects; the broker keeps the session for a while."""
        self._closing.set()
        if (link := self._link) is not None:
            link.end()
        self._thread.join(timeout_s)

    def _prepare(self, client: Client, terms: Terms) -> None:
        def on_message(client: Client, userdata: Any, message: MQTTMessage) -> None:
            self._on_message(message.topic, bytes(message.payload))

        client.on_message = on_message

    def _on_accepted(self, link: Link) -> None:
        self._link = link
        self.is_shared = link.client.protocol == MQTTProtocolVersion.MQTTv5 and link.limits.shares
        self._subscribe(link)

    def _subscribe(self, link: Link) -> None:
        def on_subscribe(client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], answer: Any) -> None:
            failures = [reason for reason in reasons if reason.is_failure]
            if self.is_shared and any(reason.value == SHARED_NOT_SUPPORTED for reason in failures):
                self.is_shared = False
                self._subscribe(link)
            elif failures:
                why = explain(failures[0])
                self._report(f"the broker at {self._broker.place} refuses our subscription: {why}", logging.ERROR)
            else:
                self._subscribed = link.number

        link.client.on_subscribe = on_subscribe
        prefix = f"$share/{self._group}/" if self.is_shared else ""
        link.client.subscribe([(f"{prefix}{topic.name('+')}", 1) for topic in self._topics])
