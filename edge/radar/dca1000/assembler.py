"""The DCA1000's packets to whole frames, keyed by the card's byte count.

Packet (DCA1000EVM user guide SPRUIJ4A, raw mode): u32 LE sequence from 1, u48 LE count of the payload bytes sent
before this packet, then up to 1456 bytes of payload. The count places every byte, so late packets still land where
they belong, duplicates change nothing, and a loss is a hole of known size.

The card sends full packets only. What does not fill one it holds back, and sends as a short packet after two seconds
without new data (2.00 s in a public capture, FPGA 2.8): the end of a stream.

Two recordings count alike. What tells them apart is that the count jumps back and that nothing comes in between: a
packet far from the newest is placed only when others confirm it, and a frame never spans a pause, except that a short
packet may end it.
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

# A packet this far from the newest is late or follows a loss. One farther off is much too late or not of the stream.
NEAR_BYTES = 8 * PAYLOAD_BYTES
# So many of those in a row, near each other, are a stream; fewer are dropped.
RESYNC_PACKETS = 3
# Longer than packets are held up on the way, and than the time between two frames; no card ends a recording and
# begins another any faster.
PAUSE_S = 0.2
PAUSE_NS = round(PAUSE_S * 1e9)
# The card sends the rest of a stream after 2.00 s; the half second is for a way that is held up.
TAIL_S = 2.5

log = logging.getLogger(__name__)


def pack_header(sequence: int, byte_count: int) -> bytes:
    """The ten bytes before a packet's payload."""
    return HEADER.pack(sequence & 0xFFFFFFFF, byte_count & 0xFFFFFFFF, byte_count >> 32 & 0xFFFF)


@dataclass(slots=True)
class _Slot:
    """A frame being filled. `seen` holds the offsets of the pieces already placed."""

    data: bytearray
    t_ns: int = 0
    received: int = 0
    seen: set[int] = field(default_factory=set)


class _Stream(NamedTuple):
    """What the packets of one stream share: who sends them, and how sequence and byte count hang together."""

    sender: Hashable
    ahead: int  # bytes that packets of full size would have counted more, modulo the sequence's 32 bits


class _Stray(NamedTuple):
    stream: _Stream
    start: int
    packet: Datagram

    def near(self, other: _Stray, pause_ns: int) -> bool:
        soon = self.packet.t_ns - other.packet.t_ns <= pause_ns
        return soon and self.stream == other.stream and abs(self.start - other.start) <= NEAR_BYTES


class FrameAssembler:
    """Packets in any order to frames in rising order; loss shows in `received` and in steps of `seq`.

    After `pause_s` without a packet the frames begun are given up, but for the short packet that ends a stream, which
    may come `tail_s` after the last full one.
    """

    def __init__(self, frame_bytes: int, pause_s: float = PAUSE_S, tail_s: float = TAIL_S) -> None:
        self._frame_bytes = frame_bytes
        self._pause_ns, self._tail_ns = round(pause_s * 1e9), round(tail_s * 1e9)
        self._slots: dict[int, _Slot] = {}  # the frames begun and not yet released
        self._next = 0  # the first frame not yet released
        self._end = 0  # the byte behind the newest placed
        self._stream: _Stream | None = None
        self._last_ns = 0  # when a packet of the stream came
        self._strays: list[_Stray] = []
        self.restarts = 0
        self.ignored = 0
        """Datagrams that are no packets, or of another sender than the one whose stream is followed."""

    @property
    def has_begun_frame(self) -> bool:
        """Whether bytes of a frame have come that is not released yet."""
        return bool(self._slots)

    def push(self, packet: Datagram) -> list[RawFrame]:
        """Places one packet; returns the frames it completes or gives up, oldest first."""
        data, sender, t_ns = packet
        if not HEADER.size < len(data) <= MAX_PACKET_BYTES:
            return self._ignore(packet)
        sequence, low, high = HEADER.unpack_from(data)
        start = high << 32 | low
        end = start + len(data) - HEADER.size
        missing = MAX_PACKET_BYTES - len(data)  # of a full packet; only the last of a stream is short
        stream = _Stream(sender, (sequence * PAYLOAD_BYTES - start) % (PAYLOAD_BYTES << 32))
        fits = stream == self._stream and abs(start - self._end) <= NEAR_BYTES
        silence_ns = t_ns - self._last_ns
        is_tail = bool(missing) and fits and self._pause_ns < silence_ns <= self._tail_ns
        paused = silence_ns > self._pause_ns and not is_tail
        released = self.give_up() if paused else []
        if not (paused or self._stream is None or sender == self._stream.sender):
            return released + self._ignore(packet)
        if sequence == 1 and start == 0 and (paused or not (self._stream or self._strays)):
            self._strays.clear()
            self._join(_Stray(stream, start, packet))  # at once: a short recording has no packets that confirm it
        elif self._strays or not fits:
            # Strays may run into the stream's reach, as those of a card restarted soon after its start do.
            stray = _Stray(stream, start, packet)
            if not fits or stray.near(self._strays[-1], self._pause_ns):
                return released + self._stray(stray)
        self._strays.clear()
        # The card held a tail back: its bytes were taken when those before them were.
        taken_ns = self._last_ns if is_tail else t_ns
        self._last_ns = t_ns
        if missing and end > self._end:
            self._stream = stream._replace(ahead=(stream.ahead + missing) % (PAYLOAD_BYTES << 32))
        self._end = max(self._end, end)
        self._place(start, memoryview(data)[HEADER.size :], taken_ns)
        return released + self._ready()

    def give_up(self) -> list[RawFrame]:
        """Releases the frames begun as they are, oldest first: nothing more comes for them."""
        return [self._release(index) for index in sorted(self._slots)]

    def _ignore(self, packet: Datagram) -> list[RawFrame]:
        self.ignored += 1
        if self.ignored == 1:
            log.warning("a datagram of %d bytes is not of the card's stream; such are ignored", len(packet.data))
        return []

    def _stray(self, stray: _Stray) -> list[RawFrame]:
        """A packet that does not fit: it came much too late, is foreign, or the stream goes on elsewhere.

        The last is believed when some are near each other with none in between that fits; they are then placed.
        """
        if self._strays and not stray.near(self._strays[-1], self._pause_ns):
            self._strays.clear()
        if stray.start not in [other.start for other in self._strays]:
            self._strays.append(stray._replace(packet=stray.packet._replace(data=bytes(stray.packet.data))))
        if len(self._strays) < RESYNC_PACKETS:
            return []
        strays, self._strays = sorted(self._strays, key=lambda each: each.start), []
        first, soon = strays[0], stray.packet.t_ns - self._last_ns <= self._pause_ns
        if soon and first.stream == self._stream and 2 * NEAR_BYTES < first.start < self._end:
            # Without a pause only a recording's beginning is a restart: these are late, but for those that fit.
            fitting = [each for each in strays if abs(each.start - self._end) <= NEAR_BYTES]
            return [frame for each in fitting for frame in self.push(each.packet)]
        released = self.give_up()
        self._join(strays[0])
        for each in strays:
            released += self.push(each.packet)
        return released

    def _join(self, first: _Stray) -> None:
        """Joins a stream at a packet. A frame already begun is skipped, but a recording's first is waited for."""
        if self._stream and first.start < self._end:
            self.restarts += 1
            log.warning("the card started again (byte %d); frames are counted anew", first.start)
        at_start = first.start <= NEAR_BYTES
        self._next = 0 if at_start else -(-first.start // self._frame_bytes)
        self._end, self._stream, self._last_ns = first.start, first.stream, first.packet.t_ns

    def _place(self, start: int, payload: memoryview, t_ns: int) -> None:
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
                    slot.t_ns = t_ns
            start += len(piece)
            payload = payload[len(piece) :]

    def _ready(self) -> list[RawFrame]:
        """Releases frames that are complete, or all of whose bytes would be too late by now; in turn."""
        released: list[RawFrame] = []
        closed = (self._end - NEAR_BYTES) // self._frame_bytes  # nothing can come any more for frames before this one
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
        return RawFrame(index, slot.t_ns, slot.data, slot.received)
