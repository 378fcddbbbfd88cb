"""Broker limits from the CONNACK, which paho does not enforce (MQTT 5, section 3.2.2.3).

Topic aliases are never used, so their limit does not matter. paho itself applies the server keep alive.
"""

from __future__ import annotations

from dataclasses import dataclass

from paho.mqtt.properties import Properties

MAX_IN_FLIGHT = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a broker; the defaults apply if the CONNACK has none. `in_flight`: unconfirmed messages."""

    packet_bytes: int | None = None
    in_flight: int = MAX_IN_FLIGHT
    qos: int = 1
    retains: bool = True
    shares: bool = True


def parse_limits(connack: Properties | None) -> Limits:
    """Return the limits in a CONNACK."""

    def value_of(name: str, default: int) -> int:
        return int(getattr(connack, name, default))

    return Limits(
        getattr(connack, "MaximumPacketSize", None),
        max(1, min(MAX_IN_FLIGHT, value_of("ReceiveMaximum", MAX_IN_FLIGHT))),  # paho interprets 0 as no limit
        min(1, value_of("MaximumQoS", 1)),
        bool(value_of("RetainAvailable", 1)),
        bool(value_of("SharedSubscriptionAvailable", 1)),
    )


def publish_packet_bytes(topic: str, payload: bytes, qos: int, properties: Properties | None) -> int:
    """Return the size of a PUBLISH packet (section 3.3); without `properties`, that of MQTT 3.1.1."""
    body = 2 + len(topic.encode()) + (2 if qos else 0) + len(payload)
    if properties is not None:
        body += len(properties.pack())  # type: ignore[no-untyped-call]
    length_bytes = max(1, (body.bit_length() + 6) // 7)
    return 1 + length_bytes + body
