"""Is the host's clock disciplined? Time stamps are only worth what the answer says."""

from __future__ import annotations

import ctypes
import functools
import sys
from dataclasses import dataclass
from typing import Literal

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """The head of Linux's struct timex (adjtimex(2)); the rest is padding large enough for every ABI."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("_rest", ctypes.c_byte * 512),
    )


@dataclass(frozen=True, slots=True)
class ClockState:
    """Whether a time service holds the clock, and the largest error it admits."""

    source: Literal["ntp", "none"]
    synced: bool
    err_ns: int | None


@functools.cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def clock_state() -> ClockState:
    """Asks the kernel (read only). The kernel does not tell NTP from PTP, so a held clock reads "ntp"."""
    timex = _Timex()
    libc = _libc()
    state = libc.adjtimex(ctypes.byref(timex)) if libc else -1
    if state in (-1, _TIME_ERROR) or timex.status & _STA_UNSYNC:
        return ClockState("none", False, None)
    return ClockState("ntp", True, int(timex.maxerror) * 1000)
