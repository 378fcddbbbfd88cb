"""What a broker allows: the limits in its CONNACK, which paho does not keep to (MQTT 5, section 3.2.2.3).

Topic aliases are never sent, so their limit is always kept. The keep alive that the broker asks for, paho keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

from paho.mqtt.properties import Properties

MAX_IN_FLIGHT = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The defaults are those of a broker that names no limit; `in_flight` counts unconfirmed messages."""

    packet_bytes: int | None = None
    in_flight: int = MAX_IN_FLIGHT
    qos: int = 1
    retains: bool = True
    shares: bool = True


def limits_of(connack: Properties | None) -> Limits:
    """The limits that a CONNACK names."""

    def named(name: str, default: int) -> int:
        return int(getattr(connack, name, default))

    return Limits(
        getattr(connack, "MaximumPacketSize", None),
        max(1, min(MAX_IN_FLIGHT, named("ReceiveMaximum", MAX_IN_FLIGHT))),  # 0 means no limit to paho
        min(1, named("MaximumQoS", 1)),
        bool(named("RetainAvailable", 1)),
        bool(named("SharedSubscriptionAvailable", 1)),
    )


def publish_bytes(topic: str, payload: bytes, qos: int, properties: Properties | None) -> int:
    """Size of a PUBLISH packet (section 3.3), `properties` None: of MQTT 3.1.1's."""
    body = 2 + len(topic.encode()) + (2 if qos else 0) + len(payload)
    if properties is not None:
        body += len(properties.pack())  # type: ignore[no-untyped-call]
    length_bytes = max(1, (body.bit_length() + 6) // 7)
    return 1 + length_bytes + body
