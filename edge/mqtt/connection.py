"""MQTT connection with automatic reconnection, and log messages that explain every failure.

Uses MQTT 5, or 3.1.1 with a warning if the broker supports nothing newer. Every connection uses a new paho client, so
that unsent messages of the previous one are not sent later: they would be old values on live topics.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import replace

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes

from edge.mqtt.broker import CONNACK_S, UNSUPPORTED_VERSION, Broker, paho_client, properties
from edge.mqtt.guarded_client import GuardedClient
from edge.mqtt.limits import parse_limits
from edge.mqtt.link import Answer, ConnectOptions, Link
from edge.mqtt.reasons import (
    ADVICE,
    PROTOCOL_ERROR,
    QOS_NOT_SUPPORTED,
    RETAIN_NOT_SUPPORTED,
    TAKEN_OVER,
    explain,
    min_wait_s,
)

KEEPALIVE_S = 15
FIRST_WAIT_S, MAX_WAIT_S = 1.0, 30.0
HEALTHY_S = 60.0  # a connection that ends earlier counts as failed, even if the broker accepted it
MAX_SHORT_CONNECTIONS = 3
MAX_UNTOLD_BYTES = 4 << 20
"""Largest packet that is received in MQTT 3.1.1, in which a client cannot tell its limit."""

log = logging.getLogger(__name__)


class Connection(ABC):
    """MQTT connection with automatic reconnection on a thread of its own; never blocks the caller.

    Args:
        client_id: Must be unique: the broker disconnects an earlier client with the same id (a session takeover).
            `takeovers` counts how often this client was disconnected that way.
        session_s: How long the broker keeps the session without a connection. MQTT 3.1.1 has no such time.
        is_persistent: Whether the broker keeps the session in MQTT 3.1.1.
        takeover_advice: Added to the log message about a takeover: what the user should do.
    """

    max_packet_bytes = 1 << 17
    """The broker sends no larger packet to this client, which only receives answers (MQTT 5, section 3.1.2.11.4)."""

    def __init__(
        self, broker: Broker, client_id: str, session_s: int, is_persistent: bool, takeover_advice: str
    ) -> None:
        self._broker, self._client_id, self._takeover_advice = broker, client_id, takeover_advice
        self._session_s, self._is_persistent = session_s, is_persistent
        self._options = ConnectOptions()
        self._link: Link | None = None
        self._fault: str | None = None
        self._reported: str | None = None
        self._accepted_s = self._lasted_s = 0.0
        self._short_connections = 0  # in a row, ended within HEALTHY_S without a reason from the broker
        self._closing = threading.Event()
        self.connected = threading.Event()
        self.connections = self.takeovers = 0
        self._thread = threading.Thread(target=self._keep_connected, name="mqtt", daemon=True)

    @property
    def connection(self) -> int:
        """The number of the current connection; 0 without one."""
        link = self._link
        return link.number if link else 0

    @property
    def fault(self) -> str | None:
        """The last connection fault, for display; None once a connection has lasted HEALTHY_S."""
        is_healthy = self._link is not None and time.monotonic() - self._accepted_s >= HEALTHY_S
        return None if is_healthy else self._fault

    @abstractmethod
    def _prepare(self, client: Client, options: ConnectOptions) -> None:
        """Set a new client's callbacks and will."""

    @abstractmethod
    def _on_accepted(self, link: Link) -> None:
        """Publish or subscribe as needed at the start of a connection, and set `_link`."""

    def _keep_connected(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._closing.is_set():
            options = self._options
            required_wait_s = self._run_connection()
            if self._options != options:
                continue  # retry immediately with the other options
            if self._lasted_s >= HEALTHY_S:
                wait_s = FIRST_WAIT_S
            self._options = ConnectOptions()  # try MQTT 5 again: the broker may only have been slow
            # Jitter avoids simultaneous reconnects of all devices after a broker restart.
            self._closing.wait(max(wait_s * random.uniform(0.5, 1.0), required_wait_s * random.uniform(1.0, 1.5)))
            wait_s = min(2 * wait_s, MAX_WAIT_S)

    def _run_connection(self) -> float:
        """Run one connection until it ends; return the minimum wait before the next attempt."""
        self._lasted_s = 0.0
        link = Link(self.connections + 1, self._new_client())
        try:
            self._connect(link.client)
            link.client.loop_start()
            return self._serve(link)
        except OSError as error:
            self._report(f"cannot reach the broker at {self._broker.address} ({error})")
            return 0.0
        finally:
            link.end()
            link.client.loop_stop()
            link.detach()

    def _serve(self, link: Link) -> float:
        try:
            answer = link.answers.get(timeout=CONNACK_S)
        except queue.Empty:
            answer = None
        if answer is None or answer.reason.is_failure:
            return self._on_refused(answer)
        link.accept(parse_limits(answer.properties))
        self.connections, self._accepted_s, self._reported = link.number, time.monotonic(), None
        self._on_accepted(link)
        self.connected.set()
        if self._closing.is_set():  # `close` was called before `_link` was set
            return 0.0
        end = link.answers.get()
        self._link = None
        self.connected.clear()
        self._lasted_s = time.monotonic() - self._accepted_s
        return 0.0 if self._closing.is_set() else self._on_ended(end)

    def _on_refused(self, answer: Answer | None) -> float:
        options, code = self._options, answer and answer.reason.value
        if options.protocol == MQTTProtocolVersion.MQTTv5 and (code is None or code in UNSUPPORTED_VERSION):
            log.warning(
                "the broker does not support MQTT 5; falling back to 3.1.1, without message expiry and refusal reasons"
            )
            self._options = replace(options, protocol=MQTTProtocolVersion.MQTTv311)
        elif code == RETAIN_NOT_SUPPORTED and options.is_will_retained:
            self._options = replace(options, is_will_retained=False)
        elif code == QOS_NOT_SUPPORTED and options.will_qos:
            self._options = replace(options, will_qos=0)
        else:
            why = explain(answer.reason, answer.properties) if answer else "no answer"
            self._report(f"the broker at {self._broker.address} refused the connection: {why}", logging.ERROR)
        return min_wait_s(answer.reason) if answer else 0.0

    def _on_ended(self, end: Answer) -> float:
        address, lasted_s = self._broker.address, self._lasted_s
        has_reason = end.is_from_broker or end.reason.value == PROTOCOL_ERROR
        self._short_connections = 0 if has_reason or lasted_s >= HEALTHY_S else self._short_connections + 1
        other = f"another program uses the client id {self._client_id}: {self._takeover_advice}"
        if end.is_from_broker and end.reason.value == TAKEN_OVER:
            self.takeovers += 1
            self._report(
                f"the broker at {address} ended the connection after {lasted_s:.0f} s: {end.reason}, takeover "
                f"{self.takeovers}: {other}",
                logging.ERROR,
            )
        elif self._short_connections >= MAX_SHORT_CONNECTIONS:  # the reason is optional, and MQTT 3.1.1 has none
            self._report(
                f"the connection to the broker at {address} was lost {self._short_connections} times soon after it "
                f"was accepted: probably {other}; or the broker rejected a message: see its log",
                logging.ERROR,
            )
            return ADVICE[TAKEN_OVER].min_wait_s
        else:
            why = explain(end.reason, end.properties) if end.is_from_broker else end.reason
            self._report(f"lost the connection to the broker at {address} ({why})")
        return min_wait_s(end.reason) if end.is_from_broker else 0.0

    def _report(self, fault: str, level: int = logging.WARNING) -> None:
        """Record a fault, and log it unless it was the last one logged."""
        if fault != self._reported:
            log.log(level, "%s; retrying", fault)
        self._fault = self._reported = fault

    def _new_client(self) -> GuardedClient:
        # One client id per protocol version, so that the broker does not resume a session of the other version.
        protocol = self._options.protocol
        is_persistent = self._is_persistent and protocol == MQTTProtocolVersion.MQTTv311
        client = paho_client(self._broker, protocol, f"{self._client_id}-{protocol.name.lower()}", is_persistent)
        is_told = protocol == MQTTProtocolVersion.MQTTv5
        client.max_packet_bytes = self.max_packet_bytes if is_told else MAX_UNTOLD_BYTES
        client.enable_logger(log.getChild("paho"))
        self._prepare(client, self._options)
        return client

    def _connect(self, client: Client) -> None:
        broker = self._broker
        if client.protocol != MQTTProtocolVersion.MQTTv5:
            client.connect(broker.host, broker.port, KEEPALIVE_S)
            return
        limits = {"SessionExpiryInterval": self._session_s, "MaximumPacketSize": self.max_packet_bytes}
        session = properties(client.protocol, PacketTypes.CONNECT, **limits)
        client.connect(broker.host, broker.port, KEEPALIVE_S, clean_start=False, properties=session)
