"""Frames from a recording, as fast as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from edge.core.types import RadarFrame
from edge.radar.chirp import ChirpConfig
from edge.radar.iq import decode_frame
from edge.sources.recording import Recording


class ReplaySource:
    """Replays a recording; `close` ends it early."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._open = True

    @property
    def chirp(self) -> ChirpConfig:
        """The recording's own."""
        return self._recording.chirp

    def frames(self) -> Iterator[RadarFrame]:
        """Every recorded frame, never None."""
        for raw in self._recording.frames():
            if not self._open:
                return
            yield decode_frame(raw, self.chirp, self._recording.iq_order)

    def close(self) -> None:
        """Ends the replay after the frame at hand."""
        self._open = False
