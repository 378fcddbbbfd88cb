"""Broker address and credentials, the TLS context, paho clients, and a connection test."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.guarded_client import GuardedClient
from edge.mqtt.limits import MAX_IN_FLIGHT

CONNACK_S = 3.0  # some MQTT 3.1.1 brokers send no answer to a CONNECT with an MQTT 5 will
UNSUPPORTED_VERSION = {0x84, 0x01}  # MQTT 5 and MQTT 3.1.1 reason codes


@dataclass(frozen=True, slots=True)
class Broker:
    """Address and credentials of a broker. Password and keys come from files, never from a command line."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


def tls_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return a TLS 1.2+ context that trusts `ca`, or the system's authorities without it; mutual with cert and key.

    Raises:
        OSError: A file cannot be read or used; ssl.SSLError is a subclass.
    """
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        context.load_cert_chain(cert, key, password="")  # otherwise OpenSSL prompts for it on the terminal and blocks
    return context


def paho_client(
    broker: Broker, protocol: MQTTProtocolVersion, client_id: str = "", is_persistent: bool = False
) -> GuardedClient:
    """Return a client with the broker's credentials, for one connection: it does not reconnect.

    `is_persistent`: the broker keeps the session in MQTT 3.1.1; in MQTT 5, a CONNECT property sets how long.
    """
    clean = False if is_persistent else None
    client = GuardedClient(
        CallbackAPIVersion.VERSION2, client_id, clean_session=clean, protocol=protocol, reconnect_on_failure=False
    )
    client.connect_timeout = CONNACK_S
    client.max_inflight_messages_set(MAX_IN_FLIGHT)
    client.suppress_exceptions = True  # otherwise an exception in a callback ends paho's thread silently
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)
    return client


def properties(protocol: int, packet: int, **values: int) -> Properties | None:
    """Return MQTT 5 properties, or None for MQTT 3.1.1."""
    if protocol != MQTTProtocolVersion.MQTTv5:
        return None
    result = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(result, name, value)
    return result


def probe_broker(broker: Broker) -> ReasonCode | None:
    """Connect and disconnects; return the CONNACK's reason code, or None if the broker sent none.

    Tries MQTT 5 first, then 3.1.1.

    Raises:
        OSError: The connection is refused, or TLS fails.
    """
    answer = None
    for protocol in (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311):
        answer = _probe(broker, protocol)
        if answer is not None and answer.value not in UNSUPPORTED_VERSION:
            break
    return answer


def _probe(broker: Broker, protocol: MQTTProtocolVersion) -> ReasonCode | None:
    answers: list[ReasonCode] = []
    client = paho_client(broker, protocol)
    client.on_connect = lambda client, userdata, flags, reason, properties: answers.append(reason)
    client.connect(broker.host, broker.port)
    end_s = time.monotonic() + CONNACK_S
    while not answers and time.monotonic() < end_s and client.loop(0.1) == MQTT_ERR_SUCCESS:
        pass
    client.disconnect()
    return answers[0] if answers else None
