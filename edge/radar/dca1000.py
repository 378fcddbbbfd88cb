"""The DCA1000's data port: UDP packets to whole frames, keyed by the card's byte count.

Packet (DCA1000EVM user guide SPRUIJ4A, raw mode): u32 LE sequence from 1, u48 LE count of the payload bytes sent
before this packet, then up to 1456 bytes of payload. The count places every byte, so late packets still land where
they belong, duplicates change nothing, and a loss is a hole of known size.

Two recordings count alike. What tells them apart is that the count jumps back and that nothing comes in between: a
packet far from the newest is placed only when others confirm it, and a frame never spans a pause.
"""

from __future__ import annotations

import logging
import queue
import select
import struct
import threading
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.frames import RawFrame
from edge.radar.udp import Datagram, open_socket, receiver

HEADER = struct.Struct("<IIH")
PAYLOAD_BYTES = 1456
MAX_PACKET_BYTES = HEADER.size + PAYLOAD_BYTES
DEFAULT_DATA_PORT = 4098

# A packet this far from the newest is late or follows a loss. One farther off is much too late or not of the stream.
NEAR_BYTES = 8 * PAYLOAD_BYTES
# So many of those in a row, near each other, are a stream; fewer are dropped.
STRAYS_BELIEVED = 3
# Frames come every 0.1 s at least (`edge.dsp.rcg`), and no packet is held back as long as this; no card ends a
# recording and begins another any faster.
PAUSE_NS = 200_000_000
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


class _Stream(NamedTuple):
    """What the packets of one stream share: who sends them, and how sequence and byte count hang together."""

    sender: Hashable
    ahead: int  # bytes that packets of full size would have counted more, modulo the sequence's 32 bits


class _Stray(NamedTuple):
    stream: _Stream
    start: int
    packet: Datagram

    def near(self, other: _Stray) -> bool:
        soon = self.packet.t_ns - other.packet.t_ns <= PAUSE_NS
        return soon and self.stream == other.stream and abs(self.start - other.start) <= NEAR_BYTES


class FrameAssembler:
    """Packets in any order to frames in rising order; loss shows in `received` and in steps of `seq`."""

    def __init__(self, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._slots: dict[int, _Slot] = {}  # the frames begun and not yet released
        self._next = 0  # the first frame not yet released
        self._end = 0  # the byte behind the newest placed
        self._stream: _Stream | None = None
        self._last_ns = 0  # when a packet of the stream came
        self._strays: list[_Stray] = []
        self.restarts = 0
        self.ignored = 0
        """Datagrams that are no packets, or of another sender than the one whose stream is followed."""

    def push(self, packet: Datagram) -> list[RawFrame]:
        """Places one packet; returns the frames it completes or gives up, oldest first."""
        data, sender, t_ns = packet
        if not HEADER.size < len(data) <= MAX_PACKET_BYTES:
            return self._ignore(packet)
        sequence, low, high = HEADER.unpack_from(data)
        start = high << 32 | low
        end = start + len(data) - HEADER.size
        stream = _Stream(sender, (sequence * PAYLOAD_BYTES - start) % (PAYLOAD_BYTES << 32))
        paused = t_ns - self._last_ns > PAUSE_NS
        released = self._release_all() if paused else []
        if not (paused or self._stream is None or sender == self._stream.sender):
            return released + self._ignore(packet)
        fits = stream == self._stream and abs(start - self._end) <= NEAR_BYTES
        if self._strays or not fits:
            # Strays may run into the stream's reach, as those of a card restarted soon after its start do.
            stray = _Stray(stream, start, packet)
            if not fits or stray.near(self._strays[-1]):
                return released + self._stray(stray)
        self._strays.clear()
        self._last_ns = t_ns
        self._end = max(self._end, end)
        self._place(start, memoryview(data)[HEADER.size :], t_ns)
        return released + self._ready()

    def _ignore(self, packet: Datagram) -> list[RawFrame]:
        self.ignored += 1
        if self.ignored == 1:
            log.warning("a datagram of %d bytes is not of the card's stream; such are ignored", len(packet.data))
        return []

    def _stray(self, stray: _Stray) -> list[RawFrame]:
        """A packet that does not fit: it came much too late, is foreign, or the stream goes on elsewhere.

        The last is believed when some are near each other with none in between that fits; they are then placed.
        """
        if self._strays and not stray.near(self._strays[-1]):
            self._strays.clear()
        if stray.start not in [other.start for other in self._strays]:
            self._strays.append(stray._replace(packet=stray.packet._replace(data=bytes(stray.packet.data))))
        if len(self._strays) < STRAYS_BELIEVED:
            return []
        strays, self._strays = sorted(self._strays, key=lambda each: each.start), []
        first, soon = strays[0], stray.packet.t_ns - self._last_ns <= PAUSE_NS
        if soon and first.stream == self._stream and 2 * NEAR_BYTES < first.start < self._end:
            # Without a pause only a recording's beginning is a restart: these are late, but for those that fit.
            fitting = [each for each in strays if abs(each.start - self._end) <= NEAR_BYTES]
            return [frame for each in fitting for frame in self.push(each.packet)]
        released = self._release_all()
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

    def _release_all(self) -> list[RawFrame]:
        return [self._release(index) for index in sorted(self._slots)]

    def _release(self, index: int) -> RawFrame:
        slot = self._slots.pop(index)
        self._next = index + 1
        return RawFrame(index, slot.t_ns, slot.data, slot.received)


class DataPort:
    """Receives on a thread of its own, so that no computation downstream can make the socket overflow.

    Raises OSError when host and port cannot be had.
    """

    def __init__(self, host: str, port: int, frame_bytes: int) -> None:
        self._assembler = FrameAssembler(frame_bytes)
        self._frames: queue.SimpleQueue[RawFrame | Exception] = queue.SimpleQueue()
        self._open = True
        self._heard_s = time.monotonic()
        self._socket = open_socket(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._receive, name="dca1000-data", daemon=True)
        self._thread.start()

    @property
    def restarts(self) -> int:
        """How often the card began to count anew."""
        return self._assembler.restarts

    def silence_s(self) -> float:
        """For how long no frame has come, or since the port was opened."""
        return time.monotonic() - self._heard_s

    def frames(self) -> Iterator[RawFrame | None]:
        """Frames as they come, None after each SILENCE_S without; ends on close. Raises what ended the receiving."""
        while self._open:
            try:
                frame = self._frames.get(timeout=SILENCE_S)
            except queue.Empty:
                frame = None  # so that the caller can keep time
            if isinstance(frame, Exception):
                raise frame
            yield frame

    def close(self) -> None:
        """Stops receiving; safe to call twice and from a signal handler."""
        self._open = False

    def _receive(self) -> None:
        try:
            packets = receiver(self._socket, MAX_PACKET_BYTES)
            with self._socket:
                while self._open:
                    batch = packets.receive()
                    if not batch:
                        select.select([self._socket], [], [], SILENCE_S)
                        time.sleep(GATHER_S)
                    for packet in batch:
                        for frame in self._assembler.push(packet):
                            self._heard_s = time.monotonic()
                            if self._frames.qsize() < QUEUE_FRAMES:  # beyond: dropped, and seen downstream as lost
                                self._frames.put(frame)
        except Exception as error:  # on this thread nobody would hear of it
            self._frames.put(error)
