"""The bytes of the DCA1000's control port.

Every message is u16 little-endian words: 0xA55A, a code, then for a request the payload's length and the payload, for a
reply the status, and 0xEEAA (DCA1000EVM user guide SPRUIJ4A section 5; codes and status bits also in TI's CLI
developer guide). Code 0x0A comes unasked, at any time. Writing the EEPROM is left out on purpose: a wrong address
there makes the card unreachable.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

HEADER, FOOTER = 0xA55A, 0xEEAA
REPLY = struct.Struct("<HHHH")
MAX_REPLY_BYTES = 2048  # what a datagram of an Ethernet frame may hold, though a reply is eight
# Raw mode, two LVDS lanes (AWR1843), capture, over Ethernet, 16 bit, and a timer of 30 s that capture does not use.
FPGA_GEN = bytes((1, 2, 1, 2, 3, 30))
PACKET_BYTES = 1472
PAYLOAD_BYTES = 1456  # radar data of a packet
TICKS_PER_US = 125  # of the FPGA, 8 ns each; sending plain microseconds, as some tools do, is 125 times too little
STATUS = {
    0: "no LVDS data: the radar is not streaming (sensorStart missing or refused, or lanes not set to two)",
    1: "no header in the LVDS data",
    2: "EEPROM failure",
    3: "SD card missing",
    4: "SD card removed",
    5: "SD card full",
    6: "mode configuration failed: check the card's switches",
    7: "DDR memory full: data was lost in the card; check the Ethernet link is 1 Gbit/s and the packet delay short",
    8: "recording completed",
    9: "LVDS buffer full: data was lost in the card; lower the frame's data rate",
    10: "playback completed",
    11: "playback out of sequence",
}
HARMLESS = 1 << 8 | 1 << 10
DATA_LOST = 1 << 7 | 1 << 9  # before the bytes were counted: the byte count shows no gap


class Command(IntEnum):
    """The codes in use."""

    RESET_FPGA = 0x01
    CONFIG_FPGA_GEN = 0x03
    RECORD_START = 0x05
    RECORD_STOP = 0x06
    SYSTEM_CONNECT = 0x09
    SYSTEM_ERROR = 0x0A
    CONFIG_PACKET_DATA = 0x0B
    READ_FPGA_VERSION = 0x0E


class FpgaVersion(NamedTuple):
    """What READ_FPGA_VERSION tells."""

    major: int
    minor: int
    playback: bool


def request(command: Command, payload: bytes = b"") -> bytes:
    """A request's bytes on the wire."""
    return struct.pack("<HHH", HEADER, command, len(payload)) + payload + struct.pack("<H", FOOTER)


def parse_reply(data: bytes) -> tuple[int, int] | None:
    """Code and status of a reply; None when it is none. What follows the footer does not matter."""
    if len(data) < REPLY.size:
        return None
    header, code, status, footer = REPLY.unpack_from(data)
    return (code, status) if (header, footer) == (HEADER, FOOTER) else None


def status_words(bits: int) -> tuple[str, ...]:
    """What the bits of an asynchronous status mean, lowest first."""
    return tuple(STATUS.get(bit, f"unknown status bit {bit}") for bit in range(16) if bits >> bit & 1)
