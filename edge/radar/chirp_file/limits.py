"""Every documented limit of the radar as an object that names itself when broken.

Adding one: a row in `front_end_limits` or `stream_limits`, and a row in `tests/edge/radar/chirp_file/test_parser.py`.
Units in the
messages are those of the chirp file.
"""

from __future__ import annotations

from edge.radar.chirp import ChirpConfig
from edge.radar.chirp_file.front_end_limits import FRONT_END_LIMITS
from edge.radar.chirp_file.limit import Limit, LimitError
from edge.radar.chirp_file.stream_limits import STREAM_LIMITS

LIMITS: tuple[Limit, ...] = FRONT_END_LIMITS + STREAM_LIMITS


def broken_limits(chirp: ChirpConfig, for_replay: bool = False) -> list[Limit]:
    """Returns the limits this chirp breaks, in the order of LIMITS; `for_replay`: of those that decoding needs."""
    return [limit for limit in LIMITS if (limit.for_replay or not for_replay) and not limit.check(chirp)]


def require_limits(chirp: ChirpConfig, for_replay: bool = False) -> None:
    """Raises LimitError naming every broken limit, as `broken_limits` finds them."""
    if broken := broken_limits(chirp, for_replay):
        raise LimitError(chirp, broken)
