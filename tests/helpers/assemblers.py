"""The compiled assembly of frames, packet by packet, with the interface of FrameAssembler."""

import socket
from collections import defaultdict
from itertools import count

from edge.core.types import RawFrame
from edge.radar.dca1000.assembler import PAUSE_S, TAIL_S
from edge.radar.dca1000.native import NativeReceiver, binary
from edge.radar.dca1000.udp import Datagram

_numbers = defaultdict(count(1).__next__)


class NativeAssembler(NativeReceiver):
    """FrameAssembler in C. Senders may be any names; with `senders`, they must be addresses."""

    def __init__(self, frame_bytes: int, pause_s: float = PAUSE_S, tail_s: float = TAIL_S, senders=None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            super().__init__(source, frame_bytes, pause_s, tail_s, senders)
        self._number = _numbers.__getitem__ if senders is None else binary

    def push(self, packet: Datagram) -> list[RawFrame]:
        data, sender, t_ns, _ = packet
        args = bytes(data), len(data), self._number(sender), t_ns, packet.arrival_ns
        self._library.capture_push(self._address, *args)
        self._report()
        return self._released()

    def flush(self) -> list[RawFrame]:
        super().flush()
        return self._released()

    def _released(self) -> list[RawFrame]:
        frames = []
        while self._taken_count < self._state.released_count:
            taken = self.take(0.0)
            self._taken_count += len(taken)
            frames += taken
        return frames

    _taken_count = 0
