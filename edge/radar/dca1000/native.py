"""Interface to the compiled capture, `_capture.c`: receives packets and assembles them without Python's global lock.

It gives the same results as `PortableReceiver`, and is built at installation.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import socket
import struct
import sys
from collections.abc import Collection
from functools import lru_cache

import numpy as np

from edge.core.compiled import load_library
from edge.core.types import RawFrame
from edge.radar.dca1000.assembler import IGNORED, MAX_PACKET_BYTES, NEAR_BYTES, RESTARTED, RESYNC_PACKETS

MAX_QUEUED_FRAMES = 2000
_VERSION = 2  # of the calls of `_capture.c`

log = logging.getLogger(__name__)


class _State(ctypes.Structure):
    """`state` of `_assembler.h`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("frame_bytes", "pause_ns", "tail_ns", "restarts", "restart_byte")),
        *((name, ctypes.c_int64) for name in ("ignored", "ignored_bytes", "foreign_packets", "second_sender_ns")),
        *(
            (name, ctypes.c_int64)
            for name in ("silence_ns", "offset_ns", "last_frame_ns", "incomplete", "released_count")
        ),
        *((name, ctypes.c_uint32) for name in ("foreign_sender", "second_sender")),
        *(("senders", ctypes.c_void_p), ("sender_count", ctypes.c_int64)),
    ]


_FRAME = struct.Struct("=5q")  # `released_frame` of `_queue.h`: seq, t_ns, steady_ns, received, data_at


def _library() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    sizes = (ctypes.sizeof(_State), _FRAME.size, MAX_PACKET_BYTES, NEAR_BYTES, RESYNC_PACKETS, MAX_QUEUED_FRAMES)
    library = load_library("edge.radar.dca1000._capture", "capture_layout", (_VERSION, *sizes))
    if library:
        address, number = ctypes.c_void_p, ctypes.c_int64
        library.capture_bytes.argtypes, library.capture_bytes.restype = [number], number
        library.capture_init.argtypes = library.capture_flush.argtypes = [address]
        library.capture_taken.argtypes = library.capture_data.argtypes = [address]
        library.capture_taken.restype = library.capture_data.restype = address
        library.capture_take.argtypes = [address, ctypes.c_int, number]
        library.capture_receive.argtypes = [address, ctypes.c_int, number]
        library.capture_push.argtypes = [address, ctypes.c_char_p, number, ctypes.c_uint32, number, number]
    return library


LIBRARY = _library()
COMPILED = LIBRARY is not None
NOT_COMPILED = (
    "the capture is not compiled, so frames may be lost under load: install a C compiler, then radarecg again "
    "(pip install -e .)"
)


class NativeReceiver:
    """The compiled FrameReceiver, for Linux: one system call for all waiting packets, with the kernel's times.

    Arguments as in PortableReceiver. All memory is allocated in the constructor. Needs the compiled library (COMPILED).
    Raises ValueError for a frame without bytes or of more than 256 MiB.
    """

    def __init__(
        self,
        source: socket.socket,
        frame_bytes: int,
        pause_s: float,
        tail_s: float,
        senders: Collection[str] | None = None,
    ) -> None:
        assert LIBRARY is not None, NOT_COMPILED
        self._library, self._socket = LIBRARY, source
        size = LIBRARY.capture_bytes(frame_bytes)
        if not size:
            raise ValueError(f"a frame of {frame_bytes} bytes: it must have 1 byte to 256 MiB")
        self._memory = np.zeros(size, np.uint8)
        self._address = self._memory.ctypes.data
        self._state = _State.from_buffer(self._memory.data)
        self._state.frame_bytes = self._frame_bytes = frame_bytes
        self._state.pause_ns, self._state.tail_ns = round(pause_s * 1e9), round(tail_s * 1e9)
        if senders is not None:
            # One more than needed: the address of an empty array is not defined.
            self._senders = (ctypes.c_uint32 * (len(senders) + 1))(*map(binary, senders))
            self._state.senders, self._state.sender_count = ctypes.addressof(self._senders), len(senders)
        LIBRARY.capture_init(self._address)
        LIBRARY.capture_open(source.fileno())
        memory = self._memory.data
        self._taken = memory[LIBRARY.capture_taken(self._address) - self._address :]
        self._data = memory[LIBRARY.capture_data(self._address) - self._address :]
        self._reported = (0, 0)

    @property
    def has_incomplete_frame(self) -> bool:
        """Whether a frame is incomplete and not released yet."""
        return bool(self._state.incomplete)

    @property
    def restarts(self) -> int:
        """See FrameAssembler."""
        return int(self._state.restarts)

    @property
    def ignored(self) -> int:
        """See FrameAssembler."""
        return int(self._state.ignored)

    @property
    def foreign_packets(self) -> int:
        """See SenderCheck."""
        return int(self._state.foreign_packets)

    @property
    def foreign_sender(self) -> str | None:
        """See SenderCheck."""
        return _dotted(self._state.foreign_sender) if self._state.foreign_packets else None

    @property
    def second_sender(self) -> tuple[str, int] | None:
        """See SenderCheck."""
        at_ns = self._state.second_sender_ns
        return (_dotted(self._state.second_sender), at_ns) if at_ns else None

    @property
    def silence_s(self) -> float:
        """See FrameReceiver."""
        return float(self._state.silence_ns) / 1e9

    @property
    def last_frame_s(self) -> float:
        """See FrameReceiver."""
        return float(self._state.last_frame_ns) / 1e9

    def receive(self, timeout_s: float) -> None:
        """See FrameReceiver. Raises OSError."""
        error = self._library.capture_receive(self._address, self._socket.fileno(), round(timeout_s * 1e9))
        if error:
            raise OSError(error, f"cannot receive: {errno.errorcode.get(error, error)}")
        self._report()

    def flush(self) -> None:
        """See FrameReceiver."""
        self._library.capture_flush(self._address)

    def take(self, timeout_s: float, wanted: int = 1) -> list[RawFrame]:
        """See FrameReceiver."""
        count = self._library.capture_take(self._address, wanted, round(timeout_s * 1e9))
        data, size = self._data, self._frame_bytes
        return [
            RawFrame(seq, t_ns, data[at : at + size].tobytes(), received, steady_ns)
            for seq, t_ns, steady_ns, received, at in _FRAME.iter_unpack(self._taken[: count * _FRAME.size])
        ]

    def _report(self) -> None:
        """Log what was counted since the last call."""
        restarts, ignored = self._reported
        self._reported = (self.restarts, self.ignored)
        if self.restarts > restarts:
            log.warning(RESTARTED, self._state.restart_byte)
        if self.ignored and not ignored:
            log.warning(IGNORED, self._state.ignored_bytes)


def binary(address: str) -> int:
    """Return an IPv4 address as the integer in a struct sockaddr_in."""
    return int.from_bytes(socket.inet_aton(address), sys.byteorder)


@lru_cache(maxsize=64)
def _dotted(address: int) -> str:
    return socket.inet_ntoa(address.to_bytes(4, sys.byteorder))
