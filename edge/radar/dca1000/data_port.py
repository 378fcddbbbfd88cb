"""The DCA1000's data port: its packets are received and become whole frames (`edge.radar.dca1000.assembler`)."""

from __future__ import annotations

import queue
import select
import threading
import time
from collections.abc import Iterator

from edge.core.types import RawFrame
from edge.radar.chirp import HARDWARE_TRIGGER, ChirpConfig
from edge.radar.dca1000.assembler import (
    MAX_PACKET_BYTES,
    PAUSE_S,
    TAIL_S,
    FrameAssembler,
)
from edge.radar.dca1000.udp import open_socket, receiver

DEFAULT_DATA_PORT = 4098
# The card sends a frame as a burst of 0.2 ms: a moment after its first packet the rest is there too, and one waking
# takes them all. That many packets are far below what the receive buffer holds.
COALESCE_S = 0.001
QUEUE_FRAMES = 2000
SILENCE_S = 0.1
FINISH_TIMEOUT_S = 2 * TAIL_S  # should the radar stream on although it was stopped


def pause_s(chirp: ChirpConfig) -> float:
    """The silence after which packets do not continue what came before: longer than between two frames."""
    if chirp.trigger == HARDWARE_TRIGGER:
        return TAIL_S  # the pulses come when they come, but by then the card has sent what it held back
    return max(PAUSE_S, 2 * chirp.frame_period_s)


class DataPort:
    """Receives on a thread of its own, so that no computation downstream can make the socket overflow.

    `pause_s` and `tail_s` as in FrameAssembler. Raises OSError when host and port cannot be had.
    """

    def __init__(
        self, host: str, port: int, frame_bytes: int, pause_s: float = PAUSE_S, tail_s: float = TAIL_S
    ) -> None:
        self._assembler = FrameAssembler(frame_bytes, pause_s, tail_s)
        self._patience_s = max(pause_s, tail_s)
        self._frames: queue.SimpleQueue[RawFrame | Exception | None] = queue.SimpleQueue()  # None: the end
        self._open = True
        self._finish_s: float | None = None  # when `finish` was called
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
                yield None  # so that the caller can keep time
                continue
            if isinstance(frame, Exception):
                raise frame
            if frame is None:
                self.close()
            else:
                yield frame

    def finish(self) -> None:
        """Ends `frames()` once the rest has come of a stream that was stopped: the card may hold it back for TAIL_S."""
        self._finish_s = time.monotonic()

    def close(self) -> None:
        """Stops receiving; safe to call twice and from a signal handler."""
        self._open = False

    def _receive(self) -> None:
        try:
            packets = receiver(self._socket, MAX_PACKET_BYTES)
            with self._socket:
                packet_s = time.monotonic()
                while self._open:
                    silence_s = time.monotonic() - packet_s  # before receiving: this thread may be held up anywhere
                    if batch := packets.receive():
                        packet_s = time.monotonic()
                        for packet in batch:
                            self._hand_over(self._assembler.push(packet))
                        continue
                    if silence_s > self._patience_s:
                        self._hand_over(self._assembler.give_up())
                    if self._is_finished(silence_s):
                        break
                    select.select([self._socket], [], [], SILENCE_S)
                    time.sleep(COALESCE_S)
            self._hand_over(self._assembler.give_up())
            self._frames.put(None)
        except Exception as error:  # on this thread nobody would hear of it
            self._frames.put(error)

    def _is_finished(self, silence_s: float) -> bool:
        """Whether the stream was stopped and nothing more of it comes; `silence_s` since the last packet."""
        if self._finish_s is None:
            return False
        waiting = self._patience_s if self._assembler.has_begun_frame else SILENCE_S
        return silence_s > waiting or time.monotonic() - self._finish_s > FINISH_TIMEOUT_S

    def _hand_over(self, frames: list[RawFrame]) -> None:
        for frame in frames:
            self._heard_s = time.monotonic()
            if self._frames.qsize() < QUEUE_FRAMES:  # beyond: dropped, and seen downstream as lost
                self._frames.put(frame)
