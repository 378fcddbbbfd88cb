"""Emulates a DCA1000 without a radar: replies on the control port, sends data packets, and simulates faults.

From a public capture of a real card (FPGA 2.8): it receives requests on its control port, but sends replies and data
from port 1024; the last, short packet of a stream follows 2.00 s after the previous one. From TI's documents: the
packet delay limits the data rate, a memory buffers faster data, and data that exceed the memory are lost before they
are counted.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import time
from collections import deque

from edge.radar.dca1000.assembler import pack_header
from edge.radar.dca1000.card_rate import MAX_DELAY_US, MIN_DELAY_US, card_rate_bit_s
from edge.radar.dca1000.messages import (
    DATA_LOST,
    FOOTER,
    FPGA_GEN,
    HEADER,
    PACKET_BYTES,
    PAYLOAD_BYTES,
    REPLY,
    TICKS_PER_US,
    Command,
)
from edge.twin.link import Faults, FaultyLink

FPGA_VERSION = 2 | 8 << 7  # 2.8, a recording build
SOURCE_PORT = 1024
TAIL_S = 2.0
MEMORY_BYTES = 256 << 20  # 2 Gbit of DDR3L (DCA1000EVM user guide)
BUSY_S = 0.05  # ignores requests for this time after CONFIG_FPGA_GEN; a real card's time is not documented
# Packets are sent in bursts of this length: the mean rate is the card's, the spacing is not.
_BURST_S = 0.01
_OK, _FAILED = 0, 1

log = logging.getLogger(__name__)


class Packetizer:
    """Splits a byte stream into the card's packets; bytes that do not fill a packet wait for the next frame.

    `sent_bytes` is the byte count at the start of a recording (the card's is 0).
    """

    def __init__(self, sent_bytes: int = 0) -> None:
        self._rest = b""
        self._sequence = sent_bytes // PAYLOAD_BYTES
        self._sent_bytes = sent_bytes

    def push(self, data: bytes) -> list[bytes]:
        """Add a frame's bytes and return the packets that are now full."""
        stream = self._rest + data
        whole = len(stream) - len(stream) % PAYLOAD_BYTES
        packets = [self._pack(stream[start : start + PAYLOAD_BYTES]) for start in range(0, whole, PAYLOAD_BYTES)]
        self._rest = stream[whole:]
        return packets

    def flush(self) -> list[bytes]:
        """Return the remaining bytes as a short packet, if there are any."""
        rest, self._rest = self._rest, b""
        return [self._pack(rest)] if rest else []

    def _pack(self, payload: bytes) -> bytes:
        self._sequence += 1
        header = pack_header(self._sequence, self._sent_bytes)
        self._sent_bytes += len(payload)
        return header + payload


class EmulatedCard:
    """Sends the radar's data to `target`; with a `control` address only while recording and correctly configured.

    Without `control` the data rate is not limited. `start_bytes` is the byte count at which a recording begins (the
    card's is 0); a large value tests the wrap of the count. `tail_s` is the delay of the last, short packet. Raises
    OSError.
    """

    def __init__(
        self,
        target: tuple[str, int],
        control: tuple[str, int] | None = None,
        faults: Faults | None = None,
        start_bytes: int = 0,
        tail_s: float = TAIL_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._target, self._start_bytes = target, start_bytes
        self._tail_s, self._memory_bytes = tail_s, memory_bytes
        self._link = FaultyLink(faults or Faults())
        self._data = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # sends replies and data
        self._control: socket.socket | None = None
        if control:
            self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._control.bind(control)
                self._bind_source(control[0])
            except OSError as error:
                self.close()
                raise OSError(f"cannot bind the card's address {control[0]}:{control[1]}: {error.strerror}") from error
            self._control.setblocking(False)
            self.control_port: int = self._control.getsockname()[1]
        self._host: tuple[str, int] | None = None  # sender of the last request
        self._settings: set[Command] = set()
        self._packet_s = 0.0  # time per packet
        self._busy_until_s = 0.0
        self.requests: list[bytes] = []  # all requests received
        self.lost_replies = 0  # number of the next replies to drop
        self.recording = not control
        self.restart()

    def _bind_source(self, address: str) -> None:
        try:
            self._data.bind((address, SOURCE_PORT))
        except OSError as error:
            self._data.bind((address, 0))
            port = self._data.getsockname()[1]
            log.info("the card sends from port %d, as %d is not available (%s)", port, SOURCE_PORT, error.strerror)

    def close(self) -> None:
        """Close the sockets."""
        self._data.close()
        if self._control:
            self._control.close()

    def restart(self) -> None:
        """Restarts sequence and byte count, as after RECORD_START or a power failure."""
        self._packetizer = Packetizer(self._start_bytes)
        self._memory: deque[bytes] = deque()  # packets waiting to be sent
        self._is_full = False
        self._free_s = 0.0  # time at which the next packet may be sent
        self._last_s = time.monotonic()  # time at which data were last received or sent

    def power_cycle(self) -> None:
        """Simulate a power failure: the card loses its settings and stop recording."""
        self._settings.clear()
        self.recording = False
        self.restart()

    def send(self, data: bytes) -> None:
        """Receives a frame over LVDS. It is lost if the card does not record, or as far as the memory is full."""
        if not self.recording:
            return
        self._send_waiting()
        room = self._memory_bytes - len(self._memory) * PAYLOAD_BYTES
        if len(data) > room and not self._is_full:
            self.report(DATA_LOST)
        self._is_full = len(data) > room
        self._last_s = time.monotonic()
        self._memory.extend(self._packetizer.push(data[: max(0, room)]))
        self._send_waiting()

    def report(self, bits: int) -> None:
        """Send an asynchronous status to the sender of the last request."""
        self._reply(Command.SYSTEM_ERROR, bits)

    def serve(self) -> None:
        """Reply to received requests and send packets that are due. Call it often."""
        while self._control:
            try:
                message, sender = self._control.recvfrom(1024)
            except (BlockingIOError, ConnectionRefusedError):
                break
            if time.monotonic() >= self._busy_until_s:
                self._host = sender
                self.requests.append(message)
                self._handle_request(message)
        self._send_waiting()
        if self.recording and not self._memory and time.monotonic() - self._last_s >= self._tail_s:
            self._send(self._packetizer.flush())

    def _send_waiting(self) -> None:
        """Send the packets in the memory that the data rate allows by now."""
        now_s = time.monotonic()
        self._free_s = max(self._free_s, now_s - _BURST_S)
        while self._memory and self._free_s <= now_s:
            self._send([self._memory.popleft()])
            self._free_s += self._packet_s
            self._last_s = now_s

    def _send(self, packets: list[bytes]) -> None:
        for packet in self._link.push(packets):
            with contextlib.suppress(ConnectionRefusedError):  # no receiver yet; a real card ignores this too
                self._data.sendto(packet, self._target)

    def _handle_request(self, message: bytes) -> None:
        if len(message) < 8:
            return
        header, code, length, footer = *struct.unpack_from("<HHH", message), *struct.unpack("<H", message[-2:])
        if (header, footer) != (HEADER, FOOTER) or length != len(message) - 8:
            return
        status = self._execute(code, message[6:-2])
        if self.lost_replies:
            self.lost_replies -= 1
        else:
            self._reply(code, status)

    def _reply(self, code: int, status: int) -> None:
        if self._host:
            self._data.sendto(REPLY.pack(HEADER, code, status, FOOTER), self._host)

    def _execute(self, code: int, payload: bytes) -> int:
        """Execute a request and return the reply's status."""
        if code == Command.READ_FPGA_VERSION:
            return FPGA_VERSION
        if code == Command.RESET_FPGA:
            self._settings.clear()
            self.recording = False
        elif code == Command.CONFIG_FPGA_GEN and payload == FPGA_GEN:
            self._settings.add(Command.CONFIG_FPGA_GEN)
            self._busy_until_s = time.monotonic() + BUSY_S
        elif code == Command.CONFIG_PACKET_DATA and (delay_us := _packet_delay_us(payload)):
            self._settings.add(Command.CONFIG_PACKET_DATA)
            self._packet_s = PAYLOAD_BYTES * 8 / card_rate_bit_s(delay_us)
        elif code == Command.RECORD_START and len(self._settings) == 2:
            self.recording = True
            self.restart()
        elif code == Command.RECORD_STOP:
            self.recording = False
        elif code != Command.SYSTEM_CONNECT:
            return _FAILED
        return _OK


def _packet_delay_us(payload: bytes) -> float | None:
    """Parse the packet delay of CONFIG_PACKET_DATA; None when the payload is not as documented."""
    if len(payload) != 6:
        return None
    size, ticks, _ = struct.unpack("<HHH", payload)
    delay_us = float(ticks / TICKS_PER_US)
    return delay_us if size in (PACKET_BYTES - 2, PACKET_BYTES) and MIN_DELAY_US <= delay_us <= MAX_DELAY_US else None
