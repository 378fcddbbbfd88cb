"""Sources of radar frames.

Contract of every source: `chirp` describes the frames; `frames()` yields RadarFrame in ascending order (lost frames
are gaps in `seq`, incomplete frames are marked), or None after a short time without a frame, so that the caller can
check timeouts; `close()` ends `frames()`. To add a source, add a file here, a command that creates it, and a row in
`tests/edge/sources/test_sources.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge.core.types import RadarFrame, RcgBlock
from edge.radar.chirp import ChirpConfig


class Source(Protocol):
    """A stream of radar frames."""

    @property
    def chirp(self) -> ChirpConfig:
        """The settings of all frames."""

    def frames(self) -> Iterator[RadarFrame | None]:
        """Yield the frames, see the contract above."""

    def close(self) -> None:
        """End `frames()`. Safe to call more than once."""


class FrontEnd(Protocol):
    """Turns frames to RCG: computed from their samples (`edge.dsp.frontend.rcg`) or recorded (`edge.sources.points`).

    `problem`: why the frames cannot show a chest; None if they can. `restarts`: number of full restarts.
    """

    problem: str | None
    restarts: int

    def push(self, frame: RadarFrame) -> RcgBlock | None:
        """Add the next frame; return a block when one is complete and the chest was found."""

    def restart(self) -> None:
        """Discard all state, because the radar paused."""
