"""Interface to the compiled capture, `_capture.c`: receives packets and assembles them without Python's global lock.

It gives the same results as `PortableReceiver` with `FrameAssembler`, and is built at installation.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import socket
import sys
from collections.abc import Collection
from functools import lru_cache

import numpy as np

from edge.core.compiled import load_library
from edge.core.types import RawFrame
from edge.radar.dca1000.assembler import IGNORED, MAX_PACKET_BYTES, NEAR_BYTES, RESTARTED, RESYNC_PACKETS

log = logging.getLogger(__name__)


class _State(ctypes.Structure):
    """`state` of `_assembler.h`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("frame_bytes", "pause_ns", "tail_ns", "restarts", "restart_byte")),
        *((name, ctypes.c_int64) for name in ("ignored", "ignored_bytes", "foreign_packets", "second_sender_ns")),
        *((name, ctypes.c_int64) for name in ("silence_ns", "offset_ns")),
        *((name, ctypes.c_uint32) for name in ("foreign_sender", "second_sender")),
        *((name, ctypes.c_int32) for name in ("incomplete", "released")),
        *((name, ctypes.c_void_p) for name in ("frames", "senders")),
        ("sender_count", ctypes.c_int64),
    ]


class _Frame(ctypes.Structure):
    """`released_frame` of `_assembler.h`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("seq", "t_ns", "steady_ns", "received")),
        ("data", ctypes.c_void_p),
    ]


def _library() -> ctypes.CDLL | None:
    layout = (ctypes.sizeof(_State), ctypes.sizeof(_Frame), MAX_PACKET_BYTES, NEAR_BYTES, RESYNC_PACKETS)
    library = load_library("edge.radar.dca1000._capture", "capture_layout", layout)
    if library:
        library.capture_bytes.argtypes, library.capture_bytes.restype = [ctypes.c_int64], ctypes.c_int64
        library.capture_init.argtypes = library.capture_flush.argtypes = [ctypes.c_void_p]
        if sys.platform == "linux":
            library.capture_open.argtypes = [ctypes.c_void_p, ctypes.c_int]
            library.capture_receive.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]
    return library


LIBRARY = _library()
COMPILED = LIBRARY is not None
NOT_COMPILED = (
    "the capture is not compiled, so frames may be lost under load: install a C compiler, then radarecg again "
    "(pip install -e .)"
)


class NativeAssembler:
    """The compiled FrameAssembler and SenderCheck; arguments as theirs. All memory is allocated in the constructor.

    Needs the compiled library (COMPILED). Raises ValueError for a frame without bytes or of more than 256 MiB.
    """

    def __init__(self, frame_bytes: int, pause_s: float, tail_s: float, senders: Collection[str] | None = None) -> None:
        assert LIBRARY is not None, NOT_COMPILED
        self._library = LIBRARY
        size = LIBRARY.capture_bytes(frame_bytes)
        if not size:
            raise ValueError(f"a frame of {frame_bytes} bytes: it must have 1 byte to 256 MiB")
        self._memory = np.zeros(size, np.uint8)
        self._address = self._memory.ctypes.data
        self._state = _State.from_buffer(self._memory)
        self._state.frame_bytes = self._frame_bytes = frame_bytes
        self._state.pause_ns, self._state.tail_ns = round(pause_s * 1e9), round(tail_s * 1e9)
        if senders is not None:
            # One more than needed: the address of an empty array is not defined.
            self._senders = (ctypes.c_uint32 * (len(senders) + 1))(*map(_binary, senders))
            self._state.senders, self._state.sender_count = ctypes.addressof(self._senders), len(senders)
        LIBRARY.capture_init(self._address)
        self._frames = ctypes.cast(self._state.frames, ctypes.POINTER(_Frame))
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

    def flush(self) -> list[RawFrame]:
        """Release the incomplete frames as they are, oldest first."""
        self._library.capture_flush(self._address)
        return self._take_released()

    def _take_released(self) -> list[RawFrame]:
        state, size = self._state, self._frame_bytes
        reported, self._reported = self._reported, (state.restarts, state.ignored)
        if reported != self._reported:
            if state.restarts > reported[0]:
                log.warning(RESTARTED, state.restart_byte)
            if not reported[1] and state.ignored:
                log.warning(IGNORED, state.ignored_bytes)
        return [
            RawFrame(each.seq, each.t_ns, ctypes.string_at(each.data, size), each.received, each.steady_ns)
            for each in self._frames[: state.released]
        ]


class NativeReceiver(NativeAssembler):
    """The compiled FrameReceiver, for Linux: one system call for all waiting packets, with the kernel's times."""

    def __init__(
        self,
        source: socket.socket,
        frame_bytes: int,
        pause_s: float,
        tail_s: float,
        senders: Collection[str] | None = None,
    ) -> None:
        super().__init__(frame_bytes, pause_s, tail_s, senders)
        self._socket = source
        self._library.capture_open(self._address, source.fileno())

    @property
    def silence_s(self) -> float:
        """See FrameReceiver."""
        return float(self._state.silence_ns) / 1e9

    def receive(self, timeout_s: float) -> list[RawFrame]:
        """See FrameReceiver. Raises OSError."""
        error = self._library.capture_receive(self._address, self._socket.fileno(), round(timeout_s * 1e9))
        if error:
            raise OSError(error, f"cannot receive: {errno.errorcode.get(error, error)}")
        return self._take_released()


def _binary(address: str) -> int:
    """Return an IPv4 address as the integer in a struct sockaddr_in."""
    return int.from_bytes(socket.inet_aton(address), sys.byteorder)


@lru_cache(maxsize=64)
def _dotted(address: int) -> str:
    return socket.inet_ntoa(address.to_bytes(4, sys.byteorder))
