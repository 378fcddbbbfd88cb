"""A UDP socket that receives many datagrams with one system call.

Linux has recvmmsg; other systems receive datagrams one by one. The main gain is Python's global lock: after each
system call the thread waits up to 5 ms for the lock, so each call should return all waiting datagrams.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import socket
import struct
import sys
import time
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol

WANTED_BUFFER_BYTES = 4 << 20
BATCH = 64
CLOCK_STEP_NS = 10_000_000  # a larger change between two calls, at most a second apart, is not a clock's drift
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python does not name it

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


class Receiver(Protocol):
    """Receives the datagrams that have arrived."""

    def receive(self) -> list[Datagram]:
        """Return the waiting datagrams, at most BATCH, without blocking; they are valid until the next call.

        A datagram longer than the maximum size is truncated to one byte more, so that the caller can detect it.
        """


class SingleReceiver:
    """Receiver with one system call per datagram, for all systems."""

    def __init__(self, source: socket.socket, size: int) -> None:
        self._socket = source
        self._views = [memoryview(bytearray(size + 1)) for _ in range(BATCH)]

    def receive(self) -> list[Datagram]:
        """See Receiver."""
        packets = []
        with contextlib.suppress(BlockingIOError):
            for view in self._views:
                length, (address, _) = self._socket.recvfrom_into(view)
                packets.append(Datagram(view[:length], address, time.time_ns(), time.monotonic_ns()))
        return packets


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """Linux's struct mmsghdr: a msghdr and the received length."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iovecs", ctypes.c_void_p),
        ("iovec_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_size_t),  # an int and its padding
        ("received", ctypes.c_uint32),
    ]


class _Sender(ctypes.Structure):
    """Linux's struct sockaddr_in."""

    _fields_ = [
        ("family", ctypes.c_uint16),
        ("port", ctypes.c_uint16),
        ("address", ctypes.c_uint32),
        ("padding", ctypes.c_uint64),
    ]


class _Timestamp(ctypes.Structure):
    """The control message of SO_TIMESTAMPNS: the time at which the kernel received the datagram."""

    _fields_ = [
        ("length", ctypes.c_size_t),
        ("level", ctypes.c_int),
        ("kind", ctypes.c_int),
        ("seconds", ctypes.c_int64),
        ("nanoseconds", ctypes.c_int64),
    ]


class BatchReceiver:
    """Receiver with recvmmsg, for 64-bit Linux: one system call for all waiting datagrams.

    The times are the kernel's, so a delayed receiver still measures pauses between packets correctly. If the clock was
    set since the last call, the monotonic time is that of the call.
    """

    def __init__(self, source: socket.socket, size: int) -> None:
        self._socket = source
        self._offset_ns = time.time_ns() - time.monotonic_ns()  # from the monotonic clock to the one of the times
        self._recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
        buffer = bytearray((size + 1) * BATCH)
        starts = range(0, len(buffer), size + 1)
        self._views = [memoryview(buffer)[start : start + size + 1] for start in starts]
        source.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._iovecs = (_Iovec * BATCH)()  # must stay alive: the kernel writes through them
        self._messages = (_Message * BATCH)()
        senders, timestamps = (_Sender * BATCH)(), (_Timestamp * BATCH)()
        address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        for k, (start, iovec, message) in enumerate(zip(starts, self._iovecs, self._messages, strict=True)):
            iovec.base, iovec.length = address + start, size + 1
            message.iovecs, message.iovec_count = ctypes.addressof(iovec), 1
            message.name, message.name_length = ctypes.addressof(senders[k]), ctypes.sizeof(_Sender)
            message.control, message.control_length = ctypes.addressof(timestamps[k]), ctypes.sizeof(_Timestamp)
        # Views of single fields are faster to read than fields of structures.
        self._lengths = _field_view(self._messages, _Message.received.offset, "I")
        self._senders = _field_view(senders, _Sender.address.offset, "I")
        self._seconds = _field_view(timestamps, _Timestamp.seconds.offset, "q")
        self._nanoseconds = _field_view(timestamps, _Timestamp.nanoseconds.offset, "q")

    def receive(self) -> list[Datagram]:
        """See Receiver. Raises OSError."""
        count = self._recvmmsg(self._socket.fileno(), self._messages, BATCH, socket.MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR):
                return []
            raise OSError(number, f"cannot receive: {errno.errorcode.get(number, number)}")
        steady_ns = time.monotonic_ns()
        before_ns, self._offset_ns = self._offset_ns, time.time_ns() - steady_ns
        was_set = abs(self._offset_ns - before_ns) > CLOCK_STEP_NS
        packets = []
        for view, length, sender, seconds, nanoseconds in zip(
            self._views[:count], self._lengths, self._senders, self._seconds, self._nanoseconds, strict=False
        ):
            t_ns = seconds * 1_000_000_000 + nanoseconds
            arrival_ns = steady_ns if was_set else t_ns - self._offset_ns
            packets.append(Datagram(view[:length], dotted(sender), t_ns, arrival_ns))
        return packets


@lru_cache(maxsize=64)
def dotted(address: int) -> str:
    """Return an IPv4 address, given as the integer in a struct sockaddr_in, as text."""
    return socket.inet_ntoa(address.to_bytes(4, sys.byteorder))


def _field_view(structures: ctypes.Array[Any], offset: int, kind: Literal["I", "q"]) -> memoryview:
    """Return a view of one field of all structures; offset and structure size must be multiples of the field size."""
    field_bytes = struct.calcsize(kind)
    stride = ctypes.sizeof(structures) // len(structures) // field_bytes
    return memoryview(structures).cast("B").cast(kind)[offset // field_bytes :: stride]


def receiver(source: socket.socket, size: int) -> Receiver:
    """Create the fastest Receiver available on this system, for datagrams of up to `size` bytes."""
    if sys.platform == "linux" and sys.maxsize > 1 << 32:
        with contextlib.suppress(OSError):  # an emulated Linux may not support timestamps
            return BatchReceiver(source, size)
    return SingleReceiver(source, size)
