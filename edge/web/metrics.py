"""Health and metrics of the runtime, for Prometheus (text format 0.0.4) and for service managers.

They contain no personal data: no rate, no movement, no presence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge import __version__
from edge.core.types import FrameCount, QualityState, Vitals

STALE_S = 5.0
"""The runtime is unhealthy after this time without a complete frame."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
STATES: tuple[QualityState, ...] = ("good", "degraded", "unusable")

Gauges = Callable[[], Mapping[str, float]]

disable_created_metrics()  # type: ignore[no-untyped-call]  # a "_created" series for each counter helps nobody here


class Metrics(Collector):
    """Counters written by the runtime's thread, read by any. `gauges` returns further metrics at each read."""

    def __init__(self, gauges: Gauges, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._gauges, self._clock_s = gauges, clock_s
        self._start_s = clock_s()
        self._last_frame_s: float | None = None
        self._frames = FrameCount()
        self._state: QualityState | None = None
        self._registry = registry = CollectorRegistry()
        registry.register(self)
        self._vitals = Counter(
            "radarecg_vitals", "Seconds with and without a valid heart rate", ["valid"], registry=registry
        )
        for valid in ("true", "false"):
            self._vitals.labels(valid)  # listed from the start
        self._latency = Histogram(
            "radarecg_latency_seconds",
            "From the last packet of a frame to its result",
            registry=registry,
            buckets=LATENCY_BUCKETS_S,
        )

    def vitals(self, vitals: Vitals) -> None:
        """Record the vitals of one second."""
        if vitals.frames.received != self._frames.received:  # smaller after a seek in a replay
            self._last_frame_s = self._clock_s()
        self._frames, self._state = vitals.frames, vitals.quality.state
        self._vitals.labels("false" if vitals.heart_rate_bpm is None else "true").inc()

    def latency(self, seconds: float) -> None:
        """Record the time from the last packet of a frame to its result."""
        self._latency.observe(seconds)

    def fault(self) -> str | None:
        """Return why the runtime is unhealthy, or None if it is healthy."""
        now_s = self._clock_s()
        if self._last_frame_s is None:
            return f"no radar frame in the {now_s - self._start_s:.0f} s since the start"
        elapsed_s = now_s - self._last_frame_s
        return f"no radar frame for {elapsed_s:.0f} s" if elapsed_s > STALE_S else None

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics that are read when they are asked for."""
        build = GaugeMetricFamily("radarecg_build_info", "The version in use", labels=["version"])
        build.add_metric([__version__], 1)
        state = GaugeMetricFamily("radarecg_quality_state", "1 for the present state", labels=["state"])
        for each in STATES:
            state.add_metric([each], each == self._state)
        yield from (build, state)
        values = {
            "uptime_seconds": self._clock_s() - self._start_s,
            "healthy": self.fault() is None,
            "frames_received_total": self._frames.received,
            "frames_lost_total": self._frames.lost,
            **self._gauges(),
        }
        for name, value in values.items():
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(f"radarecg_{name}", name.replace("_", " "), value)
