"""Replays a recording, as fast as the caller reads the frames."""

from __future__ import annotations

from collections.abc import Iterator

from edge.core.types import RadarFrame
from edge.radar.chirp import ChirpConfig
from edge.radar.iq import decode_frame
from edge.sources.recording import Recording


class ReplaySource:
    """Source of the frames of a recording; `close` ends it early."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._open = True

    @property
    def chirp(self) -> ChirpConfig:
        """The recording's chirp settings."""
        return self._recording.chirp

    def frames(self) -> Iterator[RadarFrame]:
        """Yield every recorded frame, never None."""
        for raw in self._recording.frames():
            if not self._open:
                return
            yield decode_frame(raw, self.chirp, self._recording.iq_order)

    def close(self) -> None:
        """End the replay after the current frame."""
        self._open = False
