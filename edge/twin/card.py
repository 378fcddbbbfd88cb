"""A DCA1000 without a radar: answers the control port, sends bytes as its packets, and fails in the ways asked for."""

from __future__ import annotations

import contextlib
import heapq
import random
import socket
import struct
from dataclasses import dataclass

from edge.radar.dca1000 import PAYLOAD_BYTES, pack_header
from edge.radar.dca1000_messages import FOOTER, FPGA_GEN, HEADER, PACKET_BYTES, REPLY, TICKS_PER_US, Command

FPGA_VERSION = 2 | 8 << 7  # 2.8, a recording build
_BURST = 3
_OK, _FAILED = 0, 1


class Packetizer:
    """A byte stream cut into the card's packets; bytes that do not fill a packet wait for the next frame."""

    def __init__(self, sent_bytes: int = 0) -> None:
        self._rest = b""
        self._sequence = sent_bytes // PAYLOAD_BYTES
        self._sent_bytes = sent_bytes

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


@dataclass(frozen=True)
class Faults:
    """How the way from the card fails: each a share of packets. The same `seed` fails the same way.

    A reordered packet comes 1 to 6 packets late; a delayed one 7 to 40 or 100, and in every other case the two after it
    are held up with it; a duplicate comes again within 6.
    """

    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    seed: int = 1


class FaultyLink:
    """Packets in, packets out: fewer, more, or in another order."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._random = random.Random(faults.seed)
        self._count = 0
        self._held = 0  # so many of the next packets are held up ...
        self._until = 0  # ... and arrive at this packet count
        self._under_way: list[tuple[int, int, bytes]] = []  # by the packet count at which it arrives

    def push(self, packets: list[bytes]) -> list[bytes]:
        """The packets that arrive while these are sent."""
        arrived = []
        chance, faults = self._random.random, self._faults
        for packet in packets:
            self._count += 1
            if chance() >= faults.loss:
                self._send(packet, self._delay() or (self._few() if chance() < faults.reorder else 0))
            if chance() < faults.duplicate:
                self._send(packet, self._few())
            while self._under_way and self._under_way[0][0] <= self._count:
                arrived.append(heapq.heappop(self._under_way)[2])
        return arrived

    def _delay(self) -> int:
        """By how many packets the next one is held up, alone or in a burst."""
        if self._held:
            self._held -= 1
        elif self._random.random() < self._faults.delay:
            self._until = self._count + self._random.choice((self._random.randint(7, 40), 100))
            self._held = self._random.choice((0, _BURST - 1))
        else:
            return 0
        return self._until - self._count

    def _few(self) -> int:
        return self._random.randint(1, 6)

    def _send(self, packet: bytes, late: int) -> None:
        heapq.heappush(self._under_way, (self._count + late, self._count, packet))


class EmulatedCard:
    """Sends to `target` what it is given; with `control`, only while told to record, and configured as documented.

    `start_bytes` is the byte count a recording begins at (the card's is 0): large, it brings a wrap near.
    """

    def __init__(
        self,
        target: tuple[str, int],
        control: tuple[str, int] | None = None,
        faults: Faults | None = None,
        start_bytes: int = 0,
    ) -> None:
        self._target, self._start_bytes = target, start_bytes
        self._link = FaultyLink(faults or Faults())
        self._data = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._control: socket.socket | None = None
        if control:
            self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._control.bind(control)
            except OSError as error:
                self.close()
                raise OSError(f"cannot be the card at {control[0]}:{control[1]}: {error.strerror}") from error
            self._control.setblocking(False)
            self.control_port: int = self._control.getsockname()[1]
        self._host: tuple[str, int] | None = None  # who asked last
        self._settings: set[Command] = set()
        self.requests: list[bytes] = []  # as they came
        self.lost_replies = 0  # so many of the next replies are lost
        self.recording = not control
        self.restart()

    def close(self) -> None:
        """Gives the ports back."""
        self._data.close()
        if self._control:
            self._control.close()

    def restart(self) -> None:
        """Sequence and byte count begin anew, as with RECORD_START or after a dip of the power."""
        self._packetizer = Packetizer(self._start_bytes)

    def power_cycle(self) -> None:
        """The power fails and returns: the card has no settings and does not record."""
        self._settings.clear()
        self.recording = False
        self.restart()

    def send(self, data: bytes) -> None:
        """A frame comes over LVDS; without recording it is lost."""
        if self.recording:
            for packet in self._link.push(self._packetizer.push(data)):
                with contextlib.suppress(ConnectionRefusedError):  # nobody listens yet; a card does not mind either
                    self._data.sendto(packet, self._target)

    def report(self, bits: int) -> None:
        """Sends an asynchronous status to who asked last."""
        self._reply(Command.SYSTEM_ERROR, bits)

    def answer(self) -> None:
        """Answers the requests that have come."""
        while self._control:
            try:
                message, self._host = self._control.recvfrom(1024)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self.requests.append(message)
            if len(message) < 8:
                continue
            header, code, length, footer = *struct.unpack_from("<HHH", message), *struct.unpack("<H", message[-2:])
            if (header, footer) != (HEADER, FOOTER) or length != len(message) - 8:
                continue
            if self.lost_replies:
                self._obey(code, message[6:-2])
                self.lost_replies -= 1
            else:
                self._reply(code, self._obey(code, message[6:-2]))

    def _reply(self, code: int, status: int) -> None:
        if self._control and self._host:
            self._control.sendto(REPLY.pack(HEADER, code, status, FOOTER), self._host)

    def _obey(self, code: int, payload: bytes) -> int:
        """Does what is asked; returns the reply's status."""
        if code == Command.READ_FPGA_VERSION:
            return FPGA_VERSION
        if code == Command.RESET_FPGA:
            self._settings.clear()
            self.recording = False
        elif code == Command.CONFIG_FPGA_GEN and payload == FPGA_GEN:
            self._settings.add(Command.CONFIG_FPGA_GEN)
        elif code == Command.CONFIG_PACKET_DATA and _pace_is_legal(payload):
            self._settings.add(Command.CONFIG_PACKET_DATA)
        elif code == Command.RECORD_START and len(self._settings) == 2:
            self.recording = True
            self.restart()
        elif code == Command.RECORD_STOP:
            self.recording = False
        elif code != Command.SYSTEM_CONNECT:
            return _FAILED
        return _OK


def _pace_is_legal(payload: bytes) -> bool:
    if len(payload) != 6:
        return False
    size, ticks, _ = struct.unpack("<HHH", payload)
    return size in (PACKET_BYTES - 2, PACKET_BYTES) and 5 <= ticks / TICKS_PER_US <= 500
