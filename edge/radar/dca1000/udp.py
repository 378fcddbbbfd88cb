"""The UDP socket of the data port, and receiving from it in Python."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Hashable
from typing import NamedTuple

WANTED_BUFFER_BYTES = 4 << 20
BATCH = 64

log = logging.getLogger(__name__)


def open_socket(host: str, port: int, interface: str | None = None) -> socket.socket:
    """Open a non-blocking socket bound to host and port; warn when its receive buffer is smaller than requested.

    With `interface`, it receives only what arrives there. Raises OSError when interface or address cannot be bound.
    """
    data = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WANTED_BUFFER_BYTES)
    granted = data.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # Linux reports its doubled bookkeeping size
    if granted < WANTED_BUFFER_BYTES:
        log.warning(
            "receive buffer is %d KiB of the %d wanted, frames may be lost under load; run: %s",
            granted >> 10,
            WANTED_BUFFER_BYTES >> 10,
            enlarge_command(),
        )
    data.setblocking(False)
    bind_interface(data, interface)
    try:
        data.bind((host, port))
    except OSError as error:
        data.close()
        raise OSError(f"cannot receive the card's data on {host}:{port}: {error.strerror}") from error
    return data


def bind_interface(source: socket.socket, interface: str | None) -> None:
    """Bind a socket to a network interface, if one is given. Raises OSError; the socket is then closed."""
    if interface is None:
        return
    try:  # needs Linux 5.7; earlier versions require the capability CAP_NET_RAW
        source.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except OSError as error:
        source.close()
        raise OSError(
            f"cannot receive from the network interface {interface} only ({error.strerror}): correct interface in the "
            "card's settings (ip -brief link lists all), or remove it"
        ) from error


def enlarge_command() -> str:
    """Return the command that raises the system's limit to the wanted buffer size."""
    return f"sudo sysctl -w net.core.rmem_max={WANTED_BUFFER_BYTES}"


class Datagram(NamedTuple):
    """A datagram with its sender and its arrival time (Unix, ns).

    The sender is an address without a port: a card sends from a port other than the configured one.
    `steady_ns` is the arrival time on the monotonic clock, which nobody sets; without one, `t_ns` is used.
    """

    data: memoryview | bytes
    sender: Hashable
    t_ns: int
    steady_ns: int | None = None

    @property
    def arrival_ns(self) -> int:
        """The arrival time for measuring pauses."""
        return self.t_ns if self.steady_ns is None else self.steady_ns


class DatagramReceiver:
    """Receives the datagrams that have arrived, with one system call for each."""

    def __init__(self, source: socket.socket, size: int) -> None:
        self._socket = source
        self._views = [memoryview(bytearray(size + 1)) for _ in range(BATCH)]

    def receive(self) -> list[Datagram]:
        """Return the waiting datagrams, at most BATCH, without blocking; they are valid until the next call.

        A datagram longer than the maximum size is truncated to one byte more, so that the caller can detect it.
        """
        packets = []
        with contextlib.suppress(BlockingIOError):
            for view in self._views:
                length, (address, _) = self._socket.recvfrom_into(view)
                packets.append(Datagram(view[:length], address, time.time_ns(), time.monotonic_ns()))
        return packets
