"""Explanations of MQTT reason codes: what to do, and the minimum wait before the next connection attempt.

Codes of MQTT 5, section 2.4; paho maps those of MQTT 3.1.1 to the same numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

PROTOCOL_ERROR = 0x82
TAKEN_OVER = 0x8E
RETAIN_NOT_SUPPORTED = 0x9A
QOS_NOT_SUPPORTED = 0x9B
SHARED_NOT_SUPPORTED = 0x9E

MAX_TEXT = 200
"""Characters of a broker's explanation in the log; MQTT allows 65535."""

_NEW_ADDRESS_ADVICE = "set its new address as host and port under [mqtt]"
_LIMIT_ADVICE = "the broker's limit for this client is too low: raise the limit at the broker"


class Advice(NamedTuple):
    """What to do about a reason code, and the minimum wait before a retry can succeed."""

    text: str
    min_wait_s: float = 0.0


ADVICE: dict[int, Advice] = {
    0x85: Advice("the broker does not accept this client id: give the device another, shorter name", 30),
    0x86: Advice("correct username and password_file under [mqtt]", 30),
    0x87: Advice("the broker does not permit this: correct username, password_file or cert under [mqtt], or give this "
                 "user the right at the broker", 30),
    0x88: Advice("the broker is not ready", 5),
    0x89: Advice("the broker is overloaded", 30),
    0x8A: Advice("the broker has banned this client or its address: lift the ban at the broker", 300),
    0x8C: Advice("the broker requires an authentication method other than password or certificate", 30),
    0x8D: Advice("the broker received nothing from this device in time: check the network"),
    TAKEN_OVER: Advice("another program uses the same client id: stop it, or give one of them another name", 30),
    0x95: Advice("raise the broker's maximum packet size (mosquitto: max_packet_size, message_size_limit)", 30),
    0x96: Advice(_LIMIT_ADVICE, 30),
    0x97: Advice(_LIMIT_ADVICE, 60),
    0x98: Advice("an administrator ended this connection at the broker", 30),
    0x9C: Advice(_NEW_ADDRESS_ADVICE, 60),
    0x9D: Advice(_NEW_ADDRESS_ADVICE, 60),
    0x9F: Advice("too many connections in a short time", 30),
}  # fmt: skip


def accept_any_reason() -> None:
    """Make paho accept every failure code in every packet type.

    Otherwise paho disconnects on a code that the standard does not list for the packet type. mosquitto sends such a
    code: "Packet too large" in a PUBACK, for a message above its message_size_limit.
    """
    answers = (PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.SUBACK, PacketTypes.DISCONNECT)
    for code, names in ReasonCode.names.items():
        if code >= 0x80:
            for packets in names.values():
                packets.extend(packet for packet in answers if packet not in packets)


def explain(reason: ReasonCode, properties: Properties | None = None) -> str:
    """Return the reason as text, with the broker's explanation and what to do."""
    texts = (getattr(properties, name, None) for name in ("ReasonString", "ServerReference"))
    details = [str(text)[:MAX_TEXT] for text in texts if text]
    if reason.value in ADVICE:
        details.append(ADVICE[reason.value].text)
    return f"{reason} ({'; '.join(details)})" if details else str(reason)


def min_wait_s(reason: ReasonCode) -> float:
    """Return the minimum wait before the next connection attempt, in seconds."""
    return ADVICE[reason.value].min_wait_s if reason.value in ADVICE else 0.0


accept_any_reason()
