"""The DCA1000's data port: UDP packets to whole frames, keyed by the card's byte count.

Packet (DCA1000EVM user guide SPRUIJ4A, raw mode): u32 LE sequence from 1, u48 LE count of the payload bytes sent
before this packet, then up to 1456 bytes of payload. The count places every byte, so late packets still land where
they belong, duplicates change nothing, and a loss is a hole of known size.
"""

from __future__ import annotations

import logging
import queue
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edge.frames import RawFrame
from edge.radar.udp import open_socket, receiver

HEADER = struct.Struct("<IIH")
PAYLOAD_BYTES = 1456
MAX_PACKET_BYTES = HEADER.size + PAYLOAD_BYTES
DEFAULT_DATA_PORT = 4098

# A frame is given up when the stream is two frames (and some packets, where frames are small) past it: packets are
# at most reordered, not seconds late.
RELEASE_FRAMES, RELEASE_PACKETS = 2, 8
# A byte count further ahead than this is no early packet: the stream was cut, or the datagram is not of it.
REACH_FRAMES, REACH_PACKETS = 64, 512
# So many in a row that fit nowhere but follow each other are a stream; fewer are late or foreign, and dropped.
STRAYS_BELIEVED = 3
# The card sends a frame as a burst of 0.2 ms: a moment after its first packet the rest is there too, and one waking
# takes them all. That many packets are far below what the receive buffer holds.
GATHER_S = 0.001
QUEUE_FRAMES = 2000
SILENCE_S = 0.1

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


class FrameAssembler:
    """Packets in any order to frames in rising order; loss shows in `received` and in steps of `seq`."""

    def __init__(self, frame_bytes: int, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._frame_bytes = frame_bytes
        self._clock_ns = clock_ns
        self._slots: dict[int, _Slot] = {}  # the ring: the frames between the first not yet released and the newest
        self._joined = False
        self._next = self._newest = 0  # the first frame not yet released, and the last begun
        self._release_after = max(RELEASE_FRAMES, RELEASE_PACKETS * PAYLOAD_BYTES // frame_bytes)
        self._reach = max(REACH_FRAMES, REACH_PACKETS * PAYLOAD_BYTES // frame_bytes)
        self._strays: list[bytes] = []
        self.bad_packets = 0
        self.restarts = 0

    def push(self, packet: memoryview | bytes) -> list[RawFrame]:
        """Places one packet; returns the frames it completes or gives up, oldest first."""
        if not HEADER.size < len(packet) <= MAX_PACKET_BYTES:
            self.bad_packets += 1
            if self.bad_packets == 1:
                log.warning("a datagram of %d bytes is no DCA1000 packet; such are ignored", len(packet))
            return []
        _, low, high = HEADER.unpack_from(packet)
        start = high << 32 | low
        if not self._joined:
            self._join(start)
        last = (start + len(packet) - HEADER.size - 1) // self._frame_bytes
        if not self._next - 1 <= last <= self._next + self._reach:  # -1: the rest of a frame just given up or joined in
            return self._stray(packet)
        if self._strays:
            self._strays.clear()
        self._place(start, memoryview(packet)[HEADER.size :])
        return self._ready() if last > self._next or self._complete(self._next) else []

    def _stray(self, packet: memoryview | bytes) -> list[RawFrame]:
        """A packet that belongs to no frame at hand: it came much too late, or the stream goes on elsewhere.

        The latter is believed when some follow each other with none in between that fits; they are then placed.
        """
        if self._strays and not _follows(packet, self._strays[-1]):
            self._strays.clear()
        self._strays.append(bytes(packet))
        if len(self._strays) < STRAYS_BELIEVED:
            return []
        strays, self._strays = self._strays, []
        _, low, high = HEADER.unpack_from(strays[0])
        start, expected = high << 32 | low, self._next
        released = [self._release(index) for index in sorted(self._slots)]
        self._join(start)
        if start < expected * self._frame_bytes:
            self.restarts += 1
            log.warning("the card started again (byte %d); frames are counted anew", start)
        else:
            log.warning("the stream continues at byte %d after a gap of %d frames", start, self._next - expected)
        for stray in strays:
            released += self.push(stray)
        return released

    def _join(self, start: int) -> None:
        """Joins the stream at a byte count. A frame already begun is skipped, but a recording's first is waited for."""
        self._joined = True
        at_start = start < RELEASE_PACKETS * PAYLOAD_BYTES
        self._next = self._newest = 0 if at_start else -(-start // self._frame_bytes)

    def _place(self, start: int, payload: memoryview) -> None:
        while payload:
            index, offset = divmod(start, self._frame_bytes)
            piece = payload[: self._frame_bytes - offset]
            if index >= self._next:
                slot = self._slots.get(index)
                if slot is None:
                    slot = self._slots[index] = _Slot(bytearray(self._frame_bytes))
                    self._newest = max(self._newest, index)
                if offset not in slot.seen:
                    slot.seen.add(offset)
                    slot.data[offset : offset + len(piece)] = piece
                    slot.received += len(piece)
                    slot.t_ns = self._clock_ns()
            start += len(piece)
            payload = payload[len(piece) :]

    def _complete(self, index: int) -> bool:
        slot = self._slots.get(index)
        return bool(slot and slot.received == self._frame_bytes)

    def _ready(self) -> list[RawFrame]:
        released: list[RawFrame] = []
        while self._slots:
            oldest = min(self._slots)
            if not self._complete(self._next) and self._newest < oldest + self._release_after:
                break
            released.append(self._release(oldest))
        return released

    def _release(self, index: int) -> RawFrame:
        slot = self._slots.pop(index)
        self._next = index + 1
        return RawFrame(index, slot.t_ns, slot.data, slot.received)


def _follows(packet: memoryview | bytes, before: bytes) -> bool:
    """Next in sequence, and at the byte where the one before ended."""
    sequence, low, high = HEADER.unpack_from(packet)
    sequence_before, low_before, high_before = HEADER.unpack_from(before)
    start_before = high_before << 32 | low_before
    in_turn = sequence == (sequence_before + 1) & 0xFFFFFFFF
    return bool(in_turn and (high << 32 | low) == start_before + len(before) - HEADER.size)


class DataPort:
    """Receives on a thread of its own, so that no computation downstream can make the socket overflow.

    Raises OSError when host and port cannot be had.
    """

    def __init__(self, host: str, port: int, frame_bytes: int) -> None:
        self._assembler = FrameAssembler(frame_bytes)
        self._frames: queue.SimpleQueue[RawFrame] = queue.SimpleQueue()
        self._open = True
        self._socket = open_socket(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._receive, name="dca1000-data", daemon=True)
        self._thread.start()

    @property
    def restarts(self) -> int:
        """How often the card began to count anew."""
        return self._assembler.restarts

    def frames(self) -> Iterator[RawFrame | None]:
        """Frames as they come; None after each SILENCE_S without one, so the caller can keep time. Ends on close."""
        while self._open:
            try:
                yield self._frames.get(timeout=SILENCE_S)
            except queue.Empty:
                yield None

    def close(self) -> None:
        """Stops receiving; safe to call twice and from a signal handler."""
        self._open = False

    def _receive(self) -> None:
        packets = receiver(self._socket, MAX_PACKET_BYTES)
        with self._socket:
            while self._open:
                batch = packets.receive()
                if not batch:
                    select.select([self._socket], [], [], SILENCE_S)
                    time.sleep(GATHER_S)
                for packet in batch:
                    for frame in self._assembler.push(packet):
                        if self._frames.qsize() < QUEUE_FRAMES:  # beyond: dropped, and seen downstream as lost
                            self._frames.put(frame)
