"""The DCA1000's data port: UDP packets to whole frames, keyed by the card's byte count.

Packet (DCA1000EVM user guide SPRUIJ4A, raw mode): u32 LE sequence from 1, u48 LE count of the payload bytes sent
before this packet, then up to 1456 bytes of payload. The count places every byte, so late packets still land where
they belong, duplicates change nothing, and a loss is a hole of known size.
"""

from __future__ import annotations

import logging
import queue
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edge.frames import RawFrame

HEADER = struct.Struct("<IIH")
PAYLOAD_BYTES = 1456
MAX_PACKET_BYTES = HEADER.size + PAYLOAD_BYTES
DEFAULT_DATA_PORT = 4098

# A frame is given up when the stream is two frames (and some packets, where frames are small) past it: packets are
# at most reordered, not seconds late.
RELEASE_FRAMES, RELEASE_PACKETS = 2, 8
# A byte count further away than this is no late or early packet: the card began again, or the stream was cut.
# It is believed when a second packet agrees, so that one stray datagram cannot derail the stream.
REACH_FRAMES, REACH_PACKETS = 64, 512
WANTED_BUFFER_BYTES = 4 << 20
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
    received: int = 0
    seen: set[int] = field(default_factory=set)


class FrameAssembler:
    """Packets in any order to frames in rising order; loss shows in `received` and in steps of `seq`."""

    def __init__(self, frame_bytes: int, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._frame_bytes = frame_bytes
        self._clock_ns = clock_ns
        self._slots: dict[int, _Slot] = {}
        self._next: int | None = None  # the first frame not yet released
        self._release_after = max(RELEASE_FRAMES, RELEASE_PACKETS * PAYLOAD_BYTES // frame_bytes)
        self._reach = max(REACH_FRAMES, REACH_PACKETS * PAYLOAD_BYTES // frame_bytes)
        self._stray: int | None = None
        self.bad_packets = 0

    def push(self, packet: memoryview | bytes) -> list[RawFrame]:
        """Places one packet; returns the frames it completes or gives up, oldest first."""
        if not HEADER.size < len(packet) <= MAX_PACKET_BYTES:
            self.bad_packets += 1
            if self.bad_packets == 1:
                log.warning("a datagram of %d bytes is no DCA1000 packet; such are ignored", len(packet))
            return []
        sequence, low, high = HEADER.unpack_from(packet)
        start = high << 32 | low
        released: list[RawFrame] = []
        if self._next is None:
            self._begin(start)
        elif sequence == 1 and start == 0 and self._next > self._release_after:
            log.warning("the card started again from zero; frames are counted anew")
            released = self._begin(start)
        elif abs(start // self._frame_bytes - self._next) > self._reach:
            agrees = self._stray is not None and 0 < start - self._stray <= REACH_PACKETS * PAYLOAD_BYTES
            self._stray = start
            if not agrees:
                return []
            log.warning("the stream continues at byte %d", start)
            released = self._begin(start)
        self._stray = None
        self._place(start, memoryview(packet)[HEADER.size :])
        return released + self._ready()

    def _begin(self, start: int) -> list[RawFrame]:
        """Joins the stream at a byte count: skips the frame already begun, gives up those at hand."""
        released = [self._release(index) for index in sorted(self._slots)]
        self._next = -(-start // self._frame_bytes)
        return released

    def _place(self, start: int, payload: memoryview) -> None:
        assert self._next is not None
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
            start += len(piece)
            payload = payload[len(piece) :]

    def _ready(self) -> list[RawFrame]:
        released: list[RawFrame] = []
        while self._slots:
            oldest, newest = min(self._slots), max(self._slots)
            whole = oldest == self._next and self._slots[oldest].received == self._frame_bytes
            if not whole and newest < oldest + self._release_after:
                break
            released.append(self._release(oldest))
        return released

    def _release(self, index: int) -> RawFrame:
        slot = self._slots.pop(index)
        self._next = index + 1
        return RawFrame(index, self._clock_ns(), slot.data, slot.received)


class DataPort:
    """Receives on a thread of its own, so that no computation downstream can make the socket overflow."""

    def __init__(self, host: str, port: int, frame_bytes: int) -> None:
        self._assembler = FrameAssembler(frame_bytes)
        self._frames: queue.SimpleQueue[RawFrame] = queue.SimpleQueue()
        self._open = True
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._receive, name="dca1000-data", daemon=True)
        self._thread.start()

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
        packet = bytearray(MAX_PACKET_BYTES + 1)
        view = memoryview(packet)
        with self._socket:
            while self._open:
                try:
                    size = self._socket.recv_into(packet)
                except BlockingIOError:  # the burst is drained: wait for the next one
                    select.select([self._socket], [], [], SILENCE_S)
                    continue
                for frame in self._assembler.push(view[:size]):
                    if self._frames.qsize() < QUEUE_FRAMES:  # beyond: dropped, and seen downstream as lost
                        self._frames.put(frame)


def _bind(host: str, port: int) -> socket.socket:
    data = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WANTED_BUFFER_BYTES)
    granted = data.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # Linux reports its doubled bookkeeping size
    if granted < WANTED_BUFFER_BYTES:
        log.warning(
            "receive buffer is %d KiB of the %d wanted, frames may be lost under load; "
            "run: sysctl -w net.core.rmem_max=%d",
            granted >> 10,
            WANTED_BUFFER_BYTES >> 10,
            WANTED_BUFFER_BYTES,
        )
    data.setblocking(False)
    try:
        data.bind((host, port))
    except OSError as error:
        data.close()
        raise OSError(f"cannot listen for the card's data on {host}:{port}: {error.strerror}") from error
    return data
