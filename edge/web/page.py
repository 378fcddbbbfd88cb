"""The live page as a `Sink` of the pipeline."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from edge.core.placement import Placement
from edge.core.replay import ReplayControl, ReplayState
from edge.core.types import EcgBlock, Quality, Vitals, Waveform
from edge.web.access import Access
from edge.web.app import web_app
from edge.web.messages import (
    Hello,
    Message,
    ecg_message,
    event,
    placement_message,
    replay_message,
    spectrogram_message,
    vitals_message,
    waveform_message,
)
from edge.web.metrics import Gauges, Metrics
from edge.web.server import WebServer

ECG_TIMEOUT_S = 5.0
"""After this time without an ECG block (normally one per second), the heart waveform is shown instead."""


class LivePage:
    """Sends the pipeline's results to every open browser; never blocks the pipeline.

    `port` 0 selects a free port; `gauges` returns further metrics for /metrics; the API reads the file `history`.
    `placement`, called once a second in the pipeline's thread while a page is open, returns what helps to aim the
    radar. With `replay`, the page controls it. `clock_ns` returns the time that delays are measured from.

    Raises:
        AccessError: The page would be visible to other machines without a token.
        OSError: The port is not available.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: str | None,
        hello: Hello,
        gauges: Gauges = dict,
        history: Path | None = None,
        placement: Callable[[], Placement | None] = lambda: None,
        replay: ReplayControl | None = None,
        clock_ns: Callable[[], int] | None = None,
    ) -> None:
        self._ecg_s = -math.inf
        self._placement, self._clock_ns = placement, clock_ns or time.time_ns
        self._metrics = Metrics(lambda: {**gauges(), **self._gauges()})
        access = Access(host, token)
        self._server = WebServer(
            host, port, lambda feed: web_app(access, feed, self._metrics, event(hello), history, replay)
        )
        self.port = self._server.port

    def waveform(self, wave: Waveform) -> None:
        """Show the heart waveform while there is no ECG."""
        now_ns = self._clock_ns()
        self._metrics.latency(max(0, now_ns - wave.t_ns) / 1e9)
        if not self._is_ecg_recent():
            self._send(waveform_message(wave, now_ns))

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Show an ECG block, and one second of its SST; skips the blocks before the first known sample."""
        if not ecg.estimate.valid_mask.any() and not self._is_ecg_recent():
            return
        self._ecg_s = time.monotonic()
        self._send(ecg_message(ecg, self._clock_ns()))
        if ecg.window:
            self._send(spectrogram_message(ecg, ecg.window))

    def vitals(self, vitals: Vitals) -> None:
        """Show the vitals of one second, and how the radar is aimed."""
        self._metrics.vitals(vitals)
        self._send(vitals_message(vitals, self._clock_ns()))
        if self._server.feed.listeners and (placement := self._placement()):
            self._send(placement_message(placement))

    def replay(self, state: ReplayState) -> None:
        """Show the position in the recording that is replayed."""
        self._send(replay_message(state))

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    def _is_ecg_recent(self) -> bool:
        return time.monotonic() - self._ecg_s < ECG_TIMEOUT_S

    def _send(self, message: Message) -> None:
        self._server.feed.send(event(message))

    def _gauges(self) -> dict[str, float]:
        return {"pages": self._server.feed.listeners, "page_messages_dropped_total": self._server.feed.dropped}
