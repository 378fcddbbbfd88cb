"""A broker for bench/faults.py that breaks MQTT: a different trick for each connection, and no acknowledgement."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import threading
import time
from collections.abc import Callable

TOPIC = b"\x00\x1eradarecg/v1/radar-0001/vitals/x"
CONNACK = b"\x20\x03\x00\x00\x00"
IDLE_S, FLOOD_S = 4.0, 3.0


def packet(first: int, body: bytes) -> bytes:
    """Return a packet with its length."""
    length, left = b"", len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        length += bytes([digit | 0x80 if left else digit])
        if not left:
            return bytes([first]) + length + body


def connack(properties: bytes) -> bytes:
    """Return a CONNACK that accepts, with these properties."""
    return packet(0x20, b"\x00\x00" + packet(0, properties)[1:])


def text(identifier: int, length: int) -> bytes:
    """Return a property with a long text."""
    return bytes([identifier]) + length.to_bytes(2, "big") + b"x" * length


def send(*parts: bytes) -> Callable[[socket.socket], None]:
    """Return a trick that sends packets, and then waits without an answer to anything."""

    def trick(client: socket.socket) -> None:
        client.sendall(b"".join(parts))
        time.sleep(IDLE_S)

    return trick


def flood(part: bytes, *before: bytes) -> Callable[[socket.socket], None]:
    """Return a trick that sends the same bytes as fast as the device takes them."""

    def trick(client: socket.socket) -> None:
        client.sendall(b"".join(before))
        end_s = time.monotonic() + FLOOD_S
        while time.monotonic() < end_s:
            client.sendall(part * (1 + 4096 // len(part)))

    return trick


def drip(client: socket.socket) -> None:
    """Send a packet byte by byte, without its end."""
    client.sendall(CONNACK + b"\x30\x7f")
    for _ in range(int(2 * IDLE_S)):
        client.sendall(b"\x00")
        time.sleep(0.5)


def acknowledge_other_numbers(client: socket.socket) -> None:
    """Accept, and acknowledge messages that the device has not sent."""
    client.sendall(CONNACK)
    for number in range(30_000, 65_536, 50):
        client.sendall(packet(0x40, number.to_bytes(2, "big")))
    time.sleep(IDLE_S)


GARBAGE = random.Random(0).randbytes(1 << 16)
TRICKS: dict[str, Callable[[socket.socket], None]] = {
    "closes at once": lambda client: None,
    "accepts and closes": lambda client: client.sendall(CONNACK),
    "garbage": send(GARBAGE),
    "garbage after a CONNACK": send(CONNACK, GARBAGE),
    "never acknowledges": send(CONNACK),
    "acknowledges other numbers": acknowledge_other_numbers,
    "DISCONNECT in place of a CONNACK": send(b"\xe0\x02\x00\x00"),
    "two CONNACKs": send(CONNACK, CONNACK),
    "CONNACK: nothing fits": send(connack(b"\x27\x00\x00\x00\x01\x24\x00\x25\x00\x13\x00\x00")),
    "CONNACK: one message in flight, 18 h without a sign of life": send(connack(b"\x21\x00\x01\x13\xff\xff")),
    "CONNACK: long texts": send(connack(text(0x1F, 60_000) + text(0x12, 60_000))),
    "CONNACK: the same property twice": send(connack(b"\x21\x00\x01\x21\x00\x02")),
    "publishes to the device": send(CONNACK, *[packet(0x30, TOPIC + b"\x00" + b"{}" * 20_000)] * 20),
    "QoS 2 without an end": send(
        CONNACK, *(packet(0x34, TOPIC + n.to_bytes(2, "big") + b"\x00" + GARBAGE[:9000]) for n in range(1, 400))
    ),
    "a packet of 256 MB": flood(b"\x00" * 4096, CONNACK, b"\x30\xff\xff\xff\x7f"),
    "packets without an end": flood(b"\xd0\x00", CONNACK),
    "a packet byte by byte": drip,
}


class HostileBroker:
    """Plays each of TRICKS for one connection, and then again from the first; counts them in `played`."""

    def __init__(self, host: str, port: int) -> None:
        self.played = 0
        self._server = socket.create_server((host, port))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the connection and refuse others."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            for trick in itertools.cycle(TRICKS.values()):
                client, _ = self._server.accept()
                threading.Thread(target=self._play, args=(client, trick), daemon=True).start()

    def _play(self, client: socket.socket, trick: Callable[[socket.socket], None]) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(10)
            client.recv(4096)
            self.played += 1
            trick(client)
