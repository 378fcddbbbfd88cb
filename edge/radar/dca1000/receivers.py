"""Receivers of the card's frames: the contract, the portable receiver in Python, and the choice between the two."""

from __future__ import annotations

import logging
import queue
import select
import socket
import sys
import time
from collections.abc import Collection
from typing import Protocol

from edge.core.types import RawFrame
from edge.radar.dca1000 import native
from edge.radar.dca1000.assembler import MAX_PACKET_BYTES, FrameAssembler
from edge.radar.dca1000.udp import Datagram, DatagramReceiver

# The card sends a frame as a burst of 0.2 ms. Waiting this long after the first packet lets one wake-up of the thread
# read the whole burst, which is far smaller than the receive buffer.
COALESCE_S = 0.001

log = logging.getLogger(__name__)


class FrameReceiver(Protocol):
    """Receives frames from a socket: one thread calls `receive` and `flush`, another one takes the frames.

    At most MAX_QUEUED_FRAMES wait to be taken; further ones are dropped and count as lost downstream.
    """

    @property
    def restarts(self) -> int:
        """See FrameAssembler."""

    @property
    def ignored(self) -> int:
        """See FrameAssembler."""

    @property
    def foreign_packets(self) -> int:
        """See SenderCheck."""

    @property
    def foreign_sender(self) -> str | None:
        """See SenderCheck."""

    @property
    def second_sender(self) -> tuple[str, int] | None:
        """See SenderCheck."""

    @property
    def has_incomplete_frame(self) -> bool:
        """See FrameAssembler."""

    @property
    def silence_s(self) -> float:
        """How long no packet of the card had arrived before the last attempt to receive; 0 if that received one."""

    @property
    def last_frame_s(self) -> float:
        """When the newest frame was released, or the receiver created (monotonic)."""

    def receive(self, timeout_s: float) -> None:
        """Receive packets for about `timeout_s`. Raises OSError."""

    def flush(self) -> None:
        """Release the incomplete frames as they are."""

    def take(self, timeout_s: float, wanted: int = 1) -> list[RawFrame]:
        """Wait for frames, but no longer than about `timeout_s`, and return all that there are, oldest first.

        A receiver may wait until there are `wanted` frames, so that the thread wakes up less often.
        """


class SenderCheck:
    """Accepts packets from the expected senders only, as the card's protocol has no authentication; counts others."""

    def __init__(self, senders: Collection[str] | None) -> None:
        self._senders = senders
        self.foreign_packets = 0
        """Number of packets from other senders than the expected ones."""
        self.foreign_sender: str | None = None
        """The latest of those senders."""
        self.second_sender: tuple[str, int] | None = None
        """The sender of the latest foreign packet that a card could have sent, and its arrival time (monotonic, ns)."""

    def accepts(self, packet: Datagram) -> bool:
        """Return whether an expected sender sent a packet; count it otherwise."""
        if self._senders is None or packet.sender in self._senders:
            return True
        self.foreign_packets += 1
        self.foreign_sender = str(packet.sender)
        if len(packet.data) == MAX_PACKET_BYTES:  # what a card sends, and not, for example, a broadcast
            self.second_sender = self.foreign_sender, packet.arrival_ns
        return False


class PortableReceiver(SenderCheck):
    """FrameReceiver in Python, for systems other than Linux: the reference of the compiled one."""

    def __init__(
        self,
        source: socket.socket,
        frame_bytes: int,
        pause_s: float,
        tail_s: float,
        senders: Collection[str] | None = None,
    ) -> None:
        super().__init__(senders)
        self._socket = source
        self._datagrams = DatagramReceiver(source, MAX_PACKET_BYTES)
        self._assembler = FrameAssembler(frame_bytes, pause_s, tail_s)
        self._frames: queue.SimpleQueue[list[RawFrame]] = queue.SimpleQueue()
        self._is_awaited = False
        self._packet_s = self.last_frame_s = time.monotonic()
        self.silence_s = 0.0

    @property
    def restarts(self) -> int:
        """See FrameAssembler."""
        return self._assembler.restarts

    @property
    def ignored(self) -> int:
        """See FrameAssembler."""
        return self._assembler.ignored

    @property
    def has_incomplete_frame(self) -> bool:
        """See FrameAssembler."""
        return self._assembler.has_incomplete_frame

    def receive(self, timeout_s: float) -> None:
        """See FrameReceiver."""
        end_s = time.monotonic() + timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            self.silence_s = time.monotonic() - self._packet_s  # before receiving, as this thread may be delayed
            batch = self._datagrams.receive()
            for packet in batch:
                self.push(packet)
            if not batch:
                select.select([self._socket], [], [], left_s)
                time.sleep(COALESCE_S)
        if self._is_awaited and self._frames.empty():
            self._frames.put([])  # as the time-out of a queue depends on the host clock in Python 3.10

    def push(self, packet: Datagram) -> None:
        """Process one packet."""
        if self.accepts(packet):
            self.silence_s, self._packet_s = 0.0, time.monotonic()
            self._enqueue(self._assembler.push(packet))

    def flush(self) -> None:
        """See FrameReceiver."""
        self._enqueue(self._assembler.flush())

    def take(self, timeout_s: float, wanted: int = 1) -> list[RawFrame]:
        """See FrameReceiver; this one returns the first frames that come."""
        self._is_awaited = True
        try:
            return self._frames.get(timeout=timeout_s)
        except queue.Empty:
            return []
        finally:
            self._is_awaited = False

    def _enqueue(self, frames: list[RawFrame]) -> None:
        if not frames:
            return
        self.last_frame_s = time.monotonic()
        if self._frames.qsize() < native.MAX_QUEUED_FRAMES:
            self._frames.put(frames)


def open_receiver(
    source: socket.socket, frame_bytes: int, pause_s: float, tail_s: float, senders: Collection[str] | None
) -> FrameReceiver:
    """Create the fastest FrameReceiver for this system; the arguments are those of DataPort."""
    if sys.platform != "linux":
        return PortableReceiver(source, frame_bytes, pause_s, tail_s, senders)
    if not native.COMPILED:
        log.warning(native.NOT_COMPILED)
        return PortableReceiver(source, frame_bytes, pause_s, tail_s, senders)
    return native.NativeReceiver(source, frame_bytes, pause_s, tail_s, senders)
