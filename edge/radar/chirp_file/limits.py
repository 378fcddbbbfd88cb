"""Checks a chirp against every documented limit of the radar.

To add a limit, add a row in `front_end_limits` or `stream_limits` and one in
`tests/edge/radar/chirp_file/test_parser.py`. The messages use the chirp file's units.
"""

from __future__ import annotations

from edge.radar.chirp import ChirpConfig
from edge.radar.chirp_file.front_end_limits import FRONT_END_LIMITS
from edge.radar.chirp_file.limit import Limit, LimitError
from edge.radar.chirp_file.stream_limits import STREAM_LIMITS

LIMITS: tuple[Limit, ...] = FRONT_END_LIMITS + STREAM_LIMITS


def broken_limits(chirp: ChirpConfig, for_replay: bool = False) -> list[Limit]:
    """Return the limits that a chirp violates, in the order of LIMITS; `for_replay`: only those for decoding."""
    return [limit for limit in LIMITS if (limit.for_replay or not for_replay) and not limit.check(chirp)]


def require_limits(chirp: ChirpConfig, for_replay: bool = False) -> None:
    """Raise LimitError with all limits that `broken_limits` returns."""
    if broken := broken_limits(chirp, for_replay):
        raise LimitError(chirp, broken)
