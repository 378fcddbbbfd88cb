"""One MQTT connection: the options of its attempt, paho's client, and the events that paho's thread reports."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.guarded_client import GuardedClient
from edge.mqtt.limits import Limits


class Answer(NamedTuple):
    """A CONNACK or the end of a connection; `is_from_broker` if the broker sent the reason."""

    reason: ReasonCode
    properties: Properties | None
    is_from_broker: bool


LOOP_ENDED = Answer(ReasonCode(PacketTypes.DISCONNECT, "Unspecified error"), None, False)


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """Protocol version and will options of the next connection attempt."""

    protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
    will_qos: int = 1
    is_will_retained: bool = True


class Link:
    """One connection: the paho client and the events that it reports on paho's thread."""

    def __init__(self, number: int, client: GuardedClient) -> None:
        self.number, self.client, self.limits = number, client, Limits()
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_loop_end = lambda: self.answers.put(LOOP_ENDED)  # usually after paho's answer, and then ignored

    def accept(self, limits: Limits) -> None:
        """Apply the broker's limits to this connection."""
        self.limits = limits
        # paho's setter raises once connected, but the limit is only known now; no message was sent before.
        self.client._max_inflight_messages = limits.in_flight

    def end(self) -> None:
        """Disconnect; thread-safe."""
        self.client.disable_logger()  # paho logs its own disconnect as an error
        self.client.disconnect()

    def detach(self) -> None:
        """Drop paho's references to this object, so that paho's client is freed and closes all its sockets."""
        client = self.client
        client.on_connect = client.on_disconnect = client.on_publish = client.on_subscribe = client.on_message = None
        client.on_loop_end = None

    def _on_connect(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, connack: Properties | None
    ) -> None:
        self.answers.put(Answer(reason, connack, True))

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, disconnect: Properties | None
    ) -> None:
        self.answers.put(Answer(reason, disconnect, bool(flags.is_disconnect_packet_from_server)))
