"""A connection to the broker that is made again when it ends, and whose troubles are named.

MQTT 5, or 3.1.1 with a warning where the broker knows no better. Every connection is a paho client of its own: the
next one then sends nothing that the last had still to send, which would be old values on live topics.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.broker import CONNACK_S, UNSUPPORTED_VERSION, Broker, paho_client, properties
from edge.mqtt.limits import Limits, limits_of
from edge.mqtt.reasons import ADVICE, QOS_NOT_SUPPORTED, RETAIN_NOT_SUPPORTED, TAKEN_OVER, explain, min_wait_s

KEEPALIVE_S = 15
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
HEALTHY_S = 60.0  # a connection that ends earlier is a failure, although the broker accepted it
MANY_LOSSES = 3

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """A CONNACK, or the end of a connection; `is_from_broker`: the broker itself gave the reason."""

    reason: ReasonCode
    properties: Properties | None
    is_from_broker: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What we ask of the broker at the next connection."""

    protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
    will_qos: int = 1
    is_will_retained: bool = True


class Link:
    """One connection: the paho client, and what it reports on paho's thread."""

    def __init__(self, number: int, client: Client) -> None:
        self.number, self.client, self.limits = number, client, Limits()
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect

    def accept(self, limits: Limits) -> None:
        """Keep to these limits from now on."""
        self.limits = limits
        # Paho's own setter refuses while there is a connection, and only now the limit is known; nothing is sent yet.
        self.client._max_inflight_messages = limits.in_flight

    def end(self) -> None:
        """Disconnect. Any thread may."""
        self.client.disable_logger()  # paho takes its own end for an error
        self.client.disconnect()

    def detach(self) -> None:
        """Drop paho's references to this object, so that paho's client is freed and closes all its sockets."""
        client = self.client
        client.on_connect = client.on_disconnect = client.on_publish = client.on_subscribe = client.on_message = None

    def _on_connect(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, connack: Properties | None
    ) -> None:
        self.answers.put(Answer(reason, connack, True))

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, disconnect: Properties | None
    ) -> None:
        self.answers.put(Answer(reason, disconnect, bool(flags.is_disconnect_packet_from_server)))


class Connection(ABC):
    """Keeps one connection, on a thread of its own; never blocks the caller.

    `client_id` must be this program's alone: the broker ends the connection of whoever had it before. `takeovers`
    counts how often that happened to us, and `way_out` says what to do about it. `session_s`: how long the broker keeps
    the session without a connection; in MQTT 3.1.1, which knows no such time, only if it `is_persistent`.
    """

    def __init__(self, broker: Broker, client_id: str, session_s: int, is_persistent: bool, way_out: str) -> None:
        self._broker, self._client_id, self._way_out = broker, client_id, way_out
        self._session_s, self._is_persistent = session_s, is_persistent
        self._terms = Terms()
        self._link: Link | None = None
        self._fault: str | None = None
        self._reported: str | None = None
        self._accepted_s = self._lasted_s = 0.0
        self._short = 0  # connections in a row that ended within HEALTHY_S, and the broker gave no reason
        self._closing = threading.Event()
        self.connected = threading.Event()
        self.connections = self.takeovers = 0
        self._thread = threading.Thread(target=self._keep_connected, name="mqtt", daemon=True)

    @property
    def connection(self) -> int:
        """The number of the present connection, 0 for none."""
        link = self._link
        return link.number if link else 0

    @property
    def fault(self) -> str | None:
        """Why there is no connection that lasts, in words; None once one has lasted for a minute."""
        is_healthy = self._link is not None and time.monotonic() - self._accepted_s >= HEALTHY_S
        return None if is_healthy else self._fault

    @abstractmethod
    def _prepare(self, client: Client, terms: Terms) -> None:
        """Set a new client's callbacks and will."""

    @abstractmethod
    def _on_accepted(self, link: Link) -> None:
        """Publish or subscribe what belongs to the beginning of a connection, and set `_link`."""

    def _keep_connected(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._closing.is_set():
            terms = self._terms
            least_s = self._run_connection()
            if self._terms != terms:
                continue  # at once, on other terms
            if self._lasted_s >= HEALTHY_S:
                wait_s = FIRST_WAIT_S
            self._terms = Terms()  # a broker that was only slow is not kept to 3.1.1
            # Jitter avoids that all devices come back at once when a broker had lost them all.
            self._closing.wait(max(wait_s * random.uniform(0.5, 1.0), least_s * random.uniform(1.0, 1.5)))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _run_connection(self) -> float:
        """One connection, from its beginning to its end; how long to wait at least before the next."""
        self._lasted_s = 0.0
        link = Link(self.connections + 1, self._new_client())
        try:
            self._connect(link.client)
            link.client.loop_start()
            return self._serve(link)
        except OSError as error:
            self._report(f"cannot reach the broker at {self._broker.place} ({error})")
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
            return self._refused(answer)
        link.accept(limits_of(answer.properties))
        self.connections, self._accepted_s, self._reported = link.number, time.monotonic(), None
        self._on_accepted(link)
        self.connected.set()
        if self._closing.is_set():  # it did not see this link
            return 0.0
        end = link.answers.get()
        self._link = None
        self.connected.clear()
        self._lasted_s = time.monotonic() - self._accepted_s
        return 0.0 if self._closing.is_set() else self._ended(end)

    def _refused(self, answer: Answer | None) -> float:
        terms, code = self._terms, answer and answer.reason.value
        if terms.protocol == MQTTProtocolVersion.MQTTv5 and (code is None or code in UNSUPPORTED_VERSION):
            log.warning("the broker does not speak MQTT 5; falling back to 3.1.1, without expiry and without refusals")
            self._terms = replace(terms, protocol=MQTTProtocolVersion.MQTTv311)
        elif code == RETAIN_NOT_SUPPORTED and terms.is_will_retained:
            self._terms = replace(terms, is_will_retained=False)
        elif code == QOS_NOT_SUPPORTED and terms.will_qos:
            self._terms = replace(terms, will_qos=0)
        else:
            why = explain(answer.reason, answer.properties) if answer else "no answer"
            self._report(f"the broker at {self._broker.place} refused us: {why}", logging.ERROR)
        return min_wait_s(answer.reason) if answer else 0.0

    def _ended(self, end: Answer) -> float:
        place, lasted_s = self._broker.place, self._lasted_s
        self._short = 0 if end.is_from_broker or lasted_s >= HEALTHY_S else self._short + 1
        other = f"another program uses the client id {self._client_id}: {self._way_out}"
        if end.is_from_broker and end.reason.value == TAKEN_OVER:
            self.takeovers += 1
            self._report(
                f"the broker at {place} ended our connection after {lasted_s:.0f} s: {end.reason}, time "
                f"{self.takeovers}: {other}",
                logging.ERROR,
            )
        elif self._short >= MANY_LOSSES:  # not every broker gives the reason, and MQTT 3.1.1 has none
            self._report(
                f"the connection to the broker at {place} was lost {self._short} times soon after it was accepted: "
                f"probably {other}; or the broker does not accept a message of ours: see its log",
                logging.ERROR,
            )
            return ADVICE[TAKEN_OVER].min_wait_s
        else:
            why = explain(end.reason, end.properties) if end.is_from_broker else end.reason
            self._report(f"lost the broker at {place} ({why})")
        return min_wait_s(end.reason) if end.is_from_broker else 0.0

    def _report(self, fault: str, level: int = logging.WARNING) -> None:
        """Logs a fault, once if it is the same at the next try."""
        if fault != self._reported:
            log.log(level, "%s; trying again", fault)
        self._fault = self._reported = fault

    def _new_client(self) -> Client:
        # An id for each version: a broker that failed on the first must not take the second for the same session.
        protocol = self._terms.protocol
        is_persistent = self._is_persistent and protocol == MQTTProtocolVersion.MQTTv311
        client = paho_client(self._broker, protocol, f"{self._client_id}-{protocol.name.lower()}", is_persistent)
        client.enable_logger(log.getChild("paho"))
        self._prepare(client, self._terms)
        return client

    def _connect(self, client: Client) -> None:
        broker = self._broker
        if client.protocol != MQTTProtocolVersion.MQTTv5:
            client.connect(broker.host, broker.port, KEEPALIVE_S)
            return
        session = properties(client.protocol, PacketTypes.CONNECT, SessionExpiryInterval=self._session_s)
        client.connect(broker.host, broker.port, KEEPALIVE_S, clean_start=False, properties=session)
