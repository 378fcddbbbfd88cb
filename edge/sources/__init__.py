"""Where frames come from.

The contract of every source: `chirp` says what a frame is; `frames()` yields RadarFrame with rising numbers (lost
frames are steps in `seq`, incomplete ones say so), or None after a short silence so that the caller can keep time;
`close()` ends `frames()` cleanly. A new source is one file here, a command that builds it, and a row in
`tests/edge/sources/test_sources.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge.core.types import RadarFrame
from edge.radar.chirp import ChirpConfig


class Source(Protocol):
    """A stream of radar frames."""

    @property
    def chirp(self) -> ChirpConfig:
        """The settings every frame was taken with."""

    def frames(self) -> Iterator[RadarFrame | None]:
        """See the contract above."""

    def close(self) -> None:
        """Ends `frames()`; safe to call more than once."""
