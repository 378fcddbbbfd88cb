"""A UDP socket that takes many datagrams with one system call.

Linux has recvmmsg; elsewhere datagrams are taken one by one. The gain is less the system calls than Python's lock:
each return from the kernel waits for it behind whatever computes, up to 5 ms, and so should bring all there is.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import socket
import sys
from typing import Protocol

WANTED_BUFFER_BYTES = 4 << 20
BATCH = 64

log = logging.getLogger(__name__)


def open_socket(host: str, port: int) -> socket.socket:
    """A non-blocking socket bound to host and port, its receive buffer asked for, read back and warned about.

    Raises OSError when the address cannot be had.
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
    try:
        data.bind((host, port))
    except OSError as error:
        data.close()
        raise OSError(f"cannot listen for the card's data on {host}:{port}: {error.strerror}") from error
    return data


def enlarge_command() -> str:
    """What a user types so that the wanted buffer is granted."""
    return f"sudo sysctl -w net.core.rmem_max={WANTED_BUFFER_BYTES}"


class Receiver(Protocol):
    """Takes what has arrived."""

    def receive(self) -> list[memoryview]:
        """The datagrams waiting, at most BATCH, none if there are none; valid until the next call.

        A datagram longer than the size asked for is cut one byte behind it, so that it can be told.
        """


class OneByOne:
    """Receiver with one system call a datagram: works everywhere."""

    def __init__(self, source: socket.socket, size: int) -> None:
        self._socket = source
        self._views = [memoryview(bytearray(size + 1)) for _ in range(BATCH)]

    def receive(self) -> list[memoryview]:
        """See Receiver."""
        packets = []
        with contextlib.suppress(BlockingIOError):
            for view in self._views:
                packets.append(view[: self._socket.recv_into(view)])
        return packets


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """Linux's struct mmsghdr: a msghdr, and the length received."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iovecs", ctypes.c_void_p),
        ("iovec_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_size_t),  # an int and the padding behind it
        ("received", ctypes.c_uint32),
    ]


class Batched:
    """Receiver with recvmmsg, for Linux: one system call for all that waits."""

    def __init__(self, source: socket.socket, size: int) -> None:
        self._socket = source
        self._recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
        room = bytearray((size + 1) * BATCH)
        starts = range(0, len(room), size + 1)
        self._views = [memoryview(room)[start : start + size + 1] for start in starts]
        self._iovecs = (_Iovec * BATCH)()  # kept: the kernel writes through them
        self._messages = (_Message * BATCH)()
        address = ctypes.addressof(ctypes.c_char.from_buffer(room))
        for start, iovec, message in zip(starts, self._iovecs, self._messages, strict=True):
            iovec.base, iovec.length = address + start, size + 1
            message.iovecs, message.iovec_count = ctypes.addressof(iovec), 1
        # The lengths received as one row of numbers, which is cheaper to read than fields of structures.
        stride = ctypes.sizeof(_Message) // 4
        self._lengths = memoryview(self._messages).cast("B").cast("I")[_Message.received.offset // 4 :: stride]

    def receive(self) -> list[memoryview]:
        """See Receiver. Raises OSError."""
        count = self._recvmmsg(self._socket.fileno(), self._messages, BATCH, socket.MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR):
                return []
            raise OSError(number, f"cannot receive: {errno.errorcode.get(number, number)}")
        return [view[:length] for view, length in zip(self._views[:count], self._lengths[:count], strict=True)]


def receiver(source: socket.socket, size: int) -> Receiver:
    """The faster Receiver that this system has, for datagrams up to `size` bytes."""
    return Batched(source, size) if sys.platform == "linux" else OneByOne(source, size)
