"""Metrics of the hub for Prometheus (text format 0.0.4): counts of devices and messages, and nothing of one device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge import __version__
from edge.ward.tile import Shown
from edge.ward.ward import TOPICS, Ward
from edge.web.metrics import STATES

CONDITIONS = (*STATES, "absent", "offline", "silent", "waiting", "replay", "unreadable", "hidden")
"""Each device is counted in exactly one: the verdict if somebody may be present, "absent", or why there is none."""


class WardMetrics(Collector):
    """The counts of `ward`, read at each request. `fault` returns why the hub does not work, or None."""

    def __init__(self, ward: Ward, fault: Callable[[], str | None]) -> None:
        self._ward, self._fault = ward, fault
        self._start_s = time.monotonic()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        build = GaugeMetricFamily("radarecg_build_info", "The version in use", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield GaugeMetricFamily("radarecg_uptime_seconds", "uptime seconds", time.monotonic() - self._start_s)
        yield GaugeMetricFamily("radarecg_healthy", "healthy", self._fault() is None)
        counts = self._ward.count()
        devices = GaugeMetricFamily("radarecg_ward_devices", "Devices by what the page shows", labels=["condition"])
        conditions = [condition_of(shown) for shown in counts.shown]
        for condition in CONDITIONS:
            devices.add_metric([condition], conditions.count(condition))
        messages = CounterMetricFamily("radarecg_ward_messages", "Messages received", labels=["topic"])
        for topic in TOPICS:
            messages.add_metric([topic.suffix], counts.received[topic.suffix])
        yield from (devices, messages)
        help_text = "Messages that cannot be read"
        yield CounterMetricFamily("radarecg_ward_messages_unreadable", help_text, counts.unreadable)


def condition_of(shown: Shown) -> str:
    """Return the condition in which a device is counted."""
    if shown.hidden:
        return "hidden"
    if shown.link != "live":
        return shown.link
    return "absent" if "no_subject" in shown.flags else shown.state
