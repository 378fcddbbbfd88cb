"""Encodes requests to the DCA1000's control port and parses its replies.

Every message consists of u16 little-endian words: 0xA55A, a code, then the payload's length and the payload (request)
or the status (reply), and 0xEEAA (DCA1000EVM user guide SPRUIJ4A section 5; codes and status bits also in TI's CLI
developer guide). The card sends code 0x0A without a request, at any time. Writing the EEPROM is deliberately not
supported: a wrong address there makes the card unreachable.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

HEADER, FOOTER = 0xA55A, 0xEEAA
REPLY = struct.Struct("<HHHH")
MAX_REPLY_BYTES = 2048  # more than a datagram in one Ethernet frame; a reply has eight bytes
# Raw mode, two LVDS lanes (AWR1843), capture, over Ethernet, 16 bit, timer of 30 s (not used for capture).
FPGA_GEN = bytes((1, 2, 1, 2, 3, 30))
PACKET_BYTES = 1472
PAYLOAD_BYTES = 1456  # radar data per packet
TICKS_PER_US = 125  # FPGA ticks of 8 ns; some tools send microseconds instead, which is 125 times too short
STATUS = {
    0: "no LVDS data: the radar is not streaming (sensorStart missing or rejected, or lanes not set to two)",
    1: "no header in the LVDS data",
    2: "EEPROM failure",
    3: "SD card missing",
    4: "SD card removed",
    5: "SD card full",
    6: "mode configuration failed: check the card's switches",
    7: "DDR memory full: data was lost in the card; check that the link is 1 Gbit/s and the packet delay short",
    8: "recording completed",
    9: "LVDS buffer full: data was lost in the card; lower the frame's data rate",
    10: "playback completed",
    11: "playback out of sequence",
}
HARMLESS = 1 << 8 | 1 << 10
DATA_LOST = 1 << 7 | 1 << 9  # lost before the bytes were counted, so the byte count has no gap


class Command(IntEnum):
    """The command codes that radarecg uses."""

    RESET_FPGA = 0x01
    CONFIG_FPGA_GEN = 0x03
    RECORD_START = 0x05
    RECORD_STOP = 0x06
    SYSTEM_CONNECT = 0x09
    SYSTEM_ERROR = 0x0A
    CONFIG_PACKET_DATA = 0x0B
    READ_FPGA_VERSION = 0x0E


class FpgaVersion(NamedTuple):
    """The reply to READ_FPGA_VERSION."""

    major: int
    minor: int
    playback: bool


def request(command: Command, payload: bytes = b"") -> bytes:
    """Encode a request."""
    return struct.pack("<HHH", HEADER, command, len(payload)) + payload + struct.pack("<H", FOOTER)


def parse_reply(data: bytes) -> tuple[int, int] | None:
    """Parse a reply into code and status; None when it is invalid. Bytes after the footer are ignored."""
    if len(data) < REPLY.size:
        return None
    header, code, status, footer = REPLY.unpack_from(data)
    return (code, status) if (header, footer) == (HEADER, FOOTER) else None


def status_words(bits: int) -> tuple[str, ...]:
    """Return the meaning of each bit set in an asynchronous status, lowest bit first."""
    return tuple(STATUS.get(bit, f"unknown status bit {bit}") for bit in range(16) if bits >> bit & 1)
