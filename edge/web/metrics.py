"""Health and metrics of the runtime, for Prometheus (text format 0.0.4) and for service managers.

They contain no personal data: no rate, no movement, no presence.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from edge import __version__
from edge.core.types import FrameCount, QualityState, Vitals

STALE_S = 5.0
"""The runtime is unhealthy after this time without a complete frame."""

LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
STATES: tuple[QualityState, ...] = ("good", "degraded", "unusable")

Gauges = Callable[[], Mapping[str, float]]


class Metrics:
    """Counters written by the runtime's thread, read by any. `gauges` returns further metrics at each read."""

    def __init__(self, gauges: Gauges, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._gauges, self._clock_s = gauges, clock_s
        self._start_s = clock_s()
        self._last_frame_s: float | None = None
        self._frames = FrameCount()
        self._vitals = {True: 0, False: 0}
        self._state: QualityState | None = None
        self._latencies = [0] * (len(LATENCY_BUCKETS_S) + 1)
        self._latency_sum_s = 0.0

    def vitals(self, vitals: Vitals) -> None:
        """Record the vitals of one second."""
        if vitals.frames.received > self._frames.received:
            self._last_frame_s = self._clock_s()
        self._frames, self._state = vitals.frames, vitals.quality.state
        self._vitals[vitals.heart_rate_bpm is not None] += 1

    def latency(self, seconds: float) -> None:
        """Record the time from the last packet of a frame to its result."""
        self._latencies[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1
        self._latency_sum_s += seconds

    def fault(self) -> str | None:
        """Return why the runtime is unhealthy, or None if it is healthy."""
        now_s = self._clock_s()
        if self._last_frame_s is None:
            return f"no radar frame in the {now_s - self._start_s:.0f} s since the start"
        elapsed_s = now_s - self._last_frame_s
        return f"no radar frame for {elapsed_s:.0f} s" if elapsed_s > STALE_S else None

    def text(self) -> str:
        """Return all metrics in Prometheus' text format."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from _metric("build_info", "gauge", {f'{{version="{__version__}"}}': 1})
        yield from _metric("uptime_seconds", "gauge", {"": round(self._clock_s() - self._start_s, 3)})
        yield from _metric("healthy", "gauge", {"": int(self.fault() is None)})
        yield from _metric("frames_received_total", "counter", {"": self._frames.received})
        yield from _metric("frames_lost_total", "counter", {"": self._frames.lost})
        seconds = {f'{{valid="{str(valid).lower()}"}}': count for valid, count in self._vitals.items()}
        yield from _metric("vitals_total", "counter", seconds)
        states = {f'{{state="{state}"}}': int(state == self._state) for state in STATES}
        yield from _metric("quality_state", "gauge", states)
        counts = list(accumulate(self._latencies))
        bounds = [*map(str, LATENCY_BUCKETS_S), "+Inf"]
        buckets = {f'_bucket{{le="{bound}"}}': count for bound, count in zip(bounds, counts, strict=True)}
        histogram = {**buckets, "_sum": round(self._latency_sum_s, 6), "_count": counts[-1]}
        yield from _metric("latency_seconds", "histogram", histogram)
        for name, value in self._gauges().items():
            yield from _metric(name, "counter" if name.endswith("_total") else "gauge", {"": value})


def _metric(name: str, kind: str, samples: Mapping[str, float]) -> Iterator[str]:
    yield f"# TYPE radarecg_{name} {kind}"
    for labels, value in samples.items():
        yield f"radarecg_{name}{labels} {value}"
