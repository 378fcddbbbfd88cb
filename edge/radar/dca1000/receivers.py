"""Receivers of the card's frames: the contract, the portable receiver in Python, and the choice between the two."""

from __future__ import annotations

import logging
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
# read the whole burst, which is far smaller than the receive buffer. MAX_COALESCE_NS in `_capture.c`.
COALESCE_S = 0.001

log = logging.getLogger(__name__)


class FrameReceiver(Protocol):
    """Receives the frames that arrive at a socket. The counters are those of FrameAssembler and SenderCheck."""

    @property
    def restarts(self) -> int: ...  # noqa: D102
    @property
    def foreign_packets(self) -> int: ...  # noqa: D102
    @property
    def foreign_sender(self) -> str | None: ...  # noqa: D102
    @property
    def second_sender(self) -> tuple[str, int] | None: ...  # noqa: D102
    @property
    def has_incomplete_frame(self) -> bool: ...  # noqa: D102

    @property
    def silence_s(self) -> float:
        """How long no packet of the card had arrived before the last attempt to receive; 0 if that received one."""

    def receive(self, timeout_s: float) -> list[RawFrame]:
        """Wait until frames are released, but no longer than `timeout_s`, and return them. Raises OSError."""

    def flush(self) -> list[RawFrame]:
        """Release the incomplete frames as they are, oldest first."""


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
        self._packet_s = time.monotonic()
        self.silence_s = 0.0
        self.flush = self._assembler.flush

    @property
    def restarts(self) -> int:
        """See FrameAssembler."""
        return self._assembler.restarts

    @property
    def has_incomplete_frame(self) -> bool:
        """See FrameAssembler."""
        return self._assembler.has_incomplete_frame

    def receive(self, timeout_s: float) -> list[RawFrame]:
        """See FrameReceiver."""
        end_s = time.monotonic() + timeout_s
        while True:
            self.silence_s = time.monotonic() - self._packet_s  # before receiving, as this thread may be delayed
            batch, frames = self._datagrams.receive(), []
            for packet in filter(self.accepts, batch):
                self.silence_s, self._packet_s = 0.0, time.monotonic()
                frames += self._assembler.push(packet)
            left_s = end_s - time.monotonic()
            if frames or left_s <= 0:
                return frames
            if not batch:
                select.select([self._socket], [], [], left_s)
                time.sleep(COALESCE_S)


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
