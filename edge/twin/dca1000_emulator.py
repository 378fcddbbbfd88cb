"""A DCA1000 that streams the twin's frames as the card would, in real time, and tells the truth when asked.

Data: UDP packets of 1456 bytes with sequence and byte count; a packet leaves when it is full, so a frame ends on
the wire with the first bytes of the next one, as on the card.
Truth: any datagram to the truth port is answered with JSON; `{"window_s": 10}` sets the window of the mean rates.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable

from edge.chirp import ChirpConfig
from edge.radar.dca1000 import PAYLOAD_BYTES, pack_header
from edge.radar.decode import encode
from edge.twin.fmcw import Fmcw
from edge.twin.scene import Scene

DEFAULT_TRUTH_PORT = 4100
_FRAMES_AHEAD = 4  # synthesised at once: cheaper per frame, and still a small burst of work
# A late twin catches up at most twice as fast as real time, or its burst would overflow the receiver's socket.
_CATCH_UP = 0.5


class Packetizer:
    """A byte stream cut into the card's packets; bytes that do not fill a packet wait for the next frame."""

    def __init__(self) -> None:
        self._rest = b""
        self._sequence = 0
        self._sent_bytes = 0

    def push(self, data: bytes) -> list[bytes]:
        """Adds a frame's bytes; returns the packets that are now full."""
        stream = self._rest + data
        whole = len(stream) - len(stream) % PAYLOAD_BYTES
        packets = []
        for start in range(0, whole, PAYLOAD_BYTES):
            self._sequence += 1
            packets.append(pack_header(self._sequence, self._sent_bytes) + stream[start : start + PAYLOAD_BYTES])
            self._sent_bytes += PAYLOAD_BYTES
        self._rest = stream[whole:]
        return packets


class Dca1000Emulator:
    """Streams to `host:data_port`; answers on `truth_port` (0 picks a free one)."""

    def __init__(self, chirp: ChirpConfig, scene: Scene, host: str, data_port: int, truth_port: int) -> None:
        self._chirp, self._scene = chirp, scene
        self._target = (host, data_port)
        self._fmcw = Fmcw(chirp, scene)
        self._data = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._truth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._truth.bind(("127.0.0.1", truth_port))
        self._truth.setblocking(False)
        self.truth_port: int = self._truth.getsockname()[1]
        self.frames_sent = 0

    def run(self, stopped: Callable[[], bool]) -> None:
        """Streams until `stopped()`."""
        period_s = self._chirp.frame_period_s
        packetizer = Packetizer()
        due_s = time.monotonic()
        with self._data, self._truth:
            while not stopped():
                for iq in self._fmcw.frames(self.frames_sent, _FRAMES_AHEAD):
                    packets = packetizer.push(encode(iq, "sdk"))
                    time.sleep(max(0.0, due_s - time.monotonic()))
                    for packet in packets:
                        self._send(packet)
                    self.frames_sent += 1
                    due_s = max(due_s + period_s, time.monotonic() + period_s * _CATCH_UP)
                    self._answer()

    def truth(self, window_s: float) -> dict[str, float | int | None]:
        """What is true at the frame last sent, over the window before it."""
        now_s = self.frames_sent * self._chirp.frame_period_s
        return {
            "t_ns": time.time_ns(),
            "heart_rate_bpm": self._scene.heart.rate_bpm(now_s, window_s),
            "breathing_rate_bpm": self._scene.body.breathing_rate_bpm,
            "frames_sent": self.frames_sent,
        }

    def _send(self, packet: bytes) -> None:
        with contextlib.suppress(ConnectionRefusedError):  # nobody listens yet; a card does not mind either
            self._data.sendto(packet, self._target)

    def _answer(self) -> None:
        try:
            question, asker = self._truth.recvfrom(1024)
        except BlockingIOError:
            return
        try:
            window_s = float(json.loads(question)["window_s"])
        except (ValueError, TypeError, KeyError):
            window_s = 10.0
        self._truth.sendto(json.dumps(self.truth(window_s)).encode(), asker)
