"""Assembles the DCA1000's packets into frames by the card's byte count.

Packet (DCA1000EVM user guide SPRUIJ4A, raw mode): u32 LE sequence from 1, u48 LE count of the payload bytes sent
before this packet, then up to 1456 bytes of payload. The count gives the position of every byte: late packets are
placed correctly, duplicates have no effect, and a lost packet is a gap of known size.

The card sends full packets only. It keeps the remaining bytes and sends them as a short packet after two seconds
without new data (2.00 s in a public capture, FPGA 2.8): the end of a stream.

Every recording counts from 0. A new one is recognized by a count that jumps back and by a pause before it. Therefore a
packet far from the newest is placed only when other packets confirm it, and a frame never spans a pause, except that
a short packet may end it.

`_assembler.h` is the same in C, which a live capture on Linux uses: whoever changes one of the two changes both.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.core.types import RawFrame
from edge.radar.dca1000.messages import PAYLOAD_BYTES
from edge.radar.dca1000.udp import Datagram

HEADER = struct.Struct("<IIH")
MAX_PACKET_BYTES = HEADER.size + PAYLOAD_BYTES

# A packet within this distance of the newest is late or follows a loss. A packet farther away is called a stray: it is
# much too late or belongs to another stream.
NEAR_BYTES = 8 * PAYLOAD_BYTES
# This many consecutive strays near each other are accepted as a stream; fewer are dropped.
RESYNC_PACKETS = 3
# Longer than any network delay and than the time between two frames; a card needs at least this time to end a
# recording and start the next.
PAUSE_S = 0.2
# The card sends the rest of a stream after 2.00 s; the other half second allows for network delay.
TAIL_S = 2.5

RESTARTED = "the card restarted (byte %d); the frame count restarts"
IGNORED = "a datagram of %d bytes does not belong to the card's stream; ignored"

log = logging.getLogger(__name__)


def pack_header(sequence: int, byte_count: int) -> bytes:
    """Encode the ten header bytes of a packet."""
    return HEADER.pack(sequence & 0xFFFFFFFF, byte_count & 0xFFFFFFFF, byte_count >> 32 & 0xFFFF)


@dataclass(slots=True)
class _Slot:
    """An incomplete frame. `seen` holds the offsets of the pieces already placed."""

    data: bytearray
    t_ns: int = 0
    steady_ns: int | None = None
    received: int = 0
    seen: set[int] = field(default_factory=set)


class _Stream(NamedTuple):
    """Properties that all packets of one stream share: the sender, and the offset between sequence and byte count."""

    sender: Hashable
    sequence_offset: int  # (sequence * PAYLOAD_BYTES - byte count), modulo the sequence's 32 bits


class _Stray(NamedTuple):
    stream: _Stream
    start: int
    packet: Datagram

    def is_near(self, other: _Stray, pause_ns: int) -> bool:
        is_soon = self.packet.arrival_ns - other.packet.arrival_ns <= pause_ns
        return is_soon and self.stream == other.stream and abs(self.start - other.start) <= NEAR_BYTES


class FrameAssembler:
    """Assembles packets in any order into frames in ascending order; losses show in `received` and gaps in `seq`.

    After `pause_s` without a packet the incomplete frames are released as they are. Exception: the short packet that
    ends a stream is accepted up to `tail_s` after the last full packet.
    """

    def __init__(self, frame_bytes: int, pause_s: float = PAUSE_S, tail_s: float = TAIL_S) -> None:
        self._frame_bytes = frame_bytes
        self._pause_ns, self._tail_ns = round(pause_s * 1e9), round(tail_s * 1e9)
        self._slots: dict[int, _Slot] = {}  # frames not yet released, by index
        self._next = 0  # the first frame not yet released
        self._end = 0  # one past the newest byte placed
        self._stream: _Stream | None = None
        self._last_ns = 0  # arrival time of the stream's last packet, on the clock that measures pauses
        self._sampled: tuple[int, int | None] = (0, None)  # Unix and monotonic time of the newest bytes
        self._strays: list[_Stray] = []
        self.restarts = 0
        self.ignored = 0
        """Number of datagrams that are not packets, or that come from another sender than the current stream's."""

    @property
    def has_incomplete_frame(self) -> bool:
        """Whether a frame is incomplete and not released yet."""
        return bool(self._slots)

    def push(self, packet: Datagram) -> list[RawFrame]:
        """Places one packet and returns the frames that this releases, complete or not, oldest first."""
        data, sender, t_ns, steady_ns = packet
        if not HEADER.size < len(data) <= MAX_PACKET_BYTES:
            return self._ignore(packet)
        sequence, low, high = HEADER.unpack_from(data)
        start = high << 32 | low
        end = start + len(data) - HEADER.size
        missing = MAX_PACKET_BYTES - len(data)  # to a full packet; only the last packet of a stream is short
        stream = _Stream(sender, (sequence * PAYLOAD_BYTES - start) % (PAYLOAD_BYTES << 32))
        is_near = stream == self._stream and abs(start - self._end) <= NEAR_BYTES
        silence_ns = packet.arrival_ns - self._last_ns
        is_tail = bool(missing) and is_near and self._pause_ns < silence_ns <= self._tail_ns
        is_after_pause = silence_ns > self._pause_ns and not is_tail
        released = self.flush() if is_after_pause else []
        if not (is_after_pause or self._stream is None or sender == self._stream.sender):
            return released + self._ignore(packet)
        if sequence == 1 and start == 0 and (is_after_pause or not (self._stream or self._strays)):
            self._strays.clear()
            self._join(_Stray(stream, start, packet))  # at once: a short recording may have no packets to confirm it
        elif self._strays or not is_near:
            # Strays may come within NEAR_BYTES of the stream: a card restarted soon after its start sends such.
            stray = _Stray(stream, start, packet)
            if not is_near or stray.is_near(self._strays[-1], self._pause_ns):
                return released + self._handle_stray(stray)
        self._strays.clear()
        if not is_tail:  # the card delays a tail: its bytes were sampled together with those before them
            self._sampled = (t_ns, steady_ns)
        self._last_ns = packet.arrival_ns
        if missing and end > self._end:
            self._stream = stream._replace(sequence_offset=(stream.sequence_offset + missing) % (PAYLOAD_BYTES << 32))
        self._end = max(self._end, end)
        self._place(start, memoryview(data)[HEADER.size :])
        return released + self._ready()

    def flush(self) -> list[RawFrame]:
        """Releases the incomplete frames as they are, oldest first."""
        return [self._release(index) for index in sorted(self._slots)]

    def _ignore(self, packet: Datagram) -> list[RawFrame]:
        self.ignored += 1
        if self.ignored == 1:
            log.warning(IGNORED, len(packet.data))
        return []

    def _handle_stray(self, stray: _Stray) -> list[RawFrame]:
        """Handle a packet far from the newest: much too late, from another stream, or after a jump of the byte count.

        After RESYNC_PACKETS consecutive strays near each other a jump is assumed, and they are placed.
        """
        if self._strays and not stray.is_near(self._strays[-1], self._pause_ns):
            self._strays.clear()
        if stray.start not in [other.start for other in self._strays]:
            self._strays.append(stray._replace(packet=stray.packet._replace(data=bytes(stray.packet.data))))
        if len(self._strays) < RESYNC_PACKETS:
            return []
        strays, self._strays = sorted(self._strays, key=lambda each: each.start), []
        first, is_soon = strays[0], stray.packet.arrival_ns - self._last_ns <= self._pause_ns
        if is_soon and first.stream == self._stream and 2 * NEAR_BYTES < first.start < self._end:
            # Without a pause only a recording's beginning is a restart. These are late; place those that fit.
            fitting = [each for each in strays if abs(each.start - self._end) <= NEAR_BYTES]
            return [frame for each in fitting for frame in self.push(each.packet)]
        released = self.flush()
        self._join(strays[0])
        for each in strays:
            released += self.push(each.packet)
        return released

    def _join(self, first: _Stray) -> None:
        """Join a stream at a packet. A frame whose beginning was missed is skipped, except a recording's first."""
        if self._stream and first.start < self._end:
            self.restarts += 1
            log.warning(RESTARTED, first.start)
        at_start = first.start <= NEAR_BYTES
        self._next = 0 if at_start else -(-first.start // self._frame_bytes)
        self._end, self._stream, self._last_ns = first.start, first.stream, first.packet.arrival_ns

    def _place(self, start: int, payload: memoryview) -> None:
        while payload:
            index, offset = divmod(start, self._frame_bytes)
            piece = payload[: self._frame_bytes - offset]
            if index >= self._next:
                slot = self._slots.get(index)
                if slot is None:
                    slot = self._slots[index] = _Slot(bytearray(self._frame_bytes))
                if offset not in slot.seen:
                    slot.seen.add(offset)
                    slot.data[offset : offset + len(piece)] = piece
                    slot.received += len(piece)
                    slot.t_ns, slot.steady_ns = self._sampled
            start += len(piece)
            payload = payload[len(piece) :]

    def _ready(self) -> list[RawFrame]:
        """Releases frames in order that are complete, or for which any further packet would be too late."""
        released: list[RawFrame] = []
        closed = (self._end - NEAR_BYTES) // self._frame_bytes  # frames before this one cannot receive more bytes
        while self._slots:
            oldest = min(self._slots)
            complete = self._slots[oldest].received == self._frame_bytes
            if not (oldest < closed or (complete and oldest <= max(closed, self._next))):
                break
            released.append(self._release(oldest))
        return released

    def _release(self, index: int) -> RawFrame:
        slot = self._slots.pop(index)
        self._next = index + 1
        return RawFrame(index, slot.t_ns, slot.data, slot.received, slot.steady_ns)
