"""Times as text, and the state of the host's clock: whether a time service keeps it synchronised."""

from __future__ import annotations

import ctypes
import functools
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SyncSource = Literal["ntp", "none"]
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """The first fields of Linux's struct timex (adjtimex(2)), and padding that is large enough for every ABI."""

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
    """Whether a time service keeps the clock synchronised, and its upper bound of the error (None if it does not)."""

    source: SyncSource
    synced: bool
    err_ns: int | None


@functools.cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def clock_state() -> ClockState:
    """Read the state from the kernel. The kernel does not distinguish NTP from PTP, so both are reported as "ntp"."""
    timex = _Timex()
    libc = _libc()
    state = libc.adjtimex(ctypes.byref(timex)) if libc else -1
    if state in (-1, _TIME_ERROR) or timex.status & _STA_UNSYNC:
        return ClockState("none", False, None)
    return ClockState("ntp", True, int(timex.maxerror) * 1000)


def age_ns(t_ns: int, steady_ns: int | None) -> int:
    """Return the time since a moment, given on the host clock (Unix), and on the monotonic clock if it is known there.

    The host clock may have been set since; the age by it is then too small or too large, but never negative.
    """
    return max(0, time.time_ns() - t_ns if steady_ns is None else time.monotonic_ns() - steady_ns)


def unix_time_s(text: str) -> float:
    """Return the Unix time in seconds of a date and time with a time zone (ISO 8601). Raises ValueError."""
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))  # Python 3.10 does not accept the Z
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone; add Z for UTC, or an offset such as +01:00")
    return moment.timestamp()
