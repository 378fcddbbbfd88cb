"""Which broker, how to trust it and be trusted, and what one greeting tells of it."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.limits import MAX_IN_FLIGHT

CONNACK_S = 3.0  # some MQTT 3.1.1 brokers do not even refuse an MQTT 5 will: they never answer
UNSUPPORTED_VERSION = {0x84, 0x01}  # MQTT 5 and MQTT 3.1.1 reason codes


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to publish. Password and keys come from files, never from a command line."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    @property
    def place(self) -> str:
        """Host and port, for people."""
        return f"{self.host}:{self.port}"


def tls_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer that trusts `ca`, or without one what the system trusts; with cert and key it is mutual.

    Raises OSError (of which ssl.SSLError is one) when a file cannot be read or used.
    """
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        context.load_cert_chain(cert, key, password="")  # else OpenSSL asks for it on the terminal, and waits
    return context


def paho_client(
    broker: Broker, protocol: MQTTProtocolVersion, client_id: str = "", is_persistent: bool = False
) -> Client:
    """A client of one connection, with the broker's credentials: it does not connect again by itself.

    `is_persistent`: the broker keeps its session, of MQTT 3.1.1; in MQTT 5 a property of CONNECT says for how long.
    """
    clean = False if is_persistent else None
    client = Client(
        CallbackAPIVersion.VERSION2, client_id, clean_session=clean, protocol=protocol, reconnect_on_failure=False
    )
    client.connect_timeout = CONNACK_S
    client.max_inflight_messages_set(MAX_IN_FLIGHT)
    client.suppress_exceptions = True  # else one in a callback ends its thread in silence
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)
    return client


def properties(protocol: int, packet: int, **values: int) -> Properties | None:
    """MQTT 5 properties, or none where the protocol has none."""
    if protocol != MQTTProtocolVersion.MQTTv5:
        return None
    found = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(found, name, value)
    return found


def greet(broker: Broker) -> ReasonCode | None:
    """Connects and leaves again: what the broker answered, in MQTT 5 or, if it knows no better, 3.1.1; None if nothing.

    Raises OSError when nobody accepts the connection, or TLS fails.
    """
    answer = None
    for protocol in (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311):
        answer = _greet(broker, protocol)
        if answer is not None and answer.value not in UNSUPPORTED_VERSION:
            break
    return answer


def _greet(broker: Broker, protocol: MQTTProtocolVersion) -> ReasonCode | None:
    answers: list[ReasonCode] = []
    client = paho_client(broker, protocol)
    client.on_connect = lambda client, userdata, flags, reason, properties: answers.append(reason)
    client.connect(broker.host, broker.port)
    end_s = time.monotonic() + CONNACK_S
    while not answers and time.monotonic() < end_s and client.loop(0.1) == MQTT_ERR_SUCCESS:
        pass
    client.disconnect()
    return answers[0] if answers else None
