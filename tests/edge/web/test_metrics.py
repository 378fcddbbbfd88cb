"""Health check and metrics of the runtime, without personal data."""

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge import __version__
from edge.web.metrics import LATENCY_BUCKETS_S, STALE_S, Metrics
from tests.helpers.web import GOOD, MOVING, vitals

LATENCIES_S = (0.001, 0.002, 0.03, 4.0)


def test_without_complete_frames_the_runtime_is_stale():
    now_s = [0.0]
    metrics = Metrics(dict, lambda: now_s[0])
    assert "since the start" in metrics.fault()
    metrics.vitals(vitals(received=200))
    assert metrics.fault() is None
    now_s[0] = STALE_S + 1
    metrics.vitals(vitals(MOVING, received=200))  # vitals continue, frames do not
    assert metrics.fault() == "no radar frame for 6 s"
    metrics.vitals(vitals(received=201))
    assert metrics.fault() is None
    now_s[0] += STALE_S + 1  # the pipeline itself hangs
    assert metrics.fault() is not None


def test_metrics_are_prometheus_text_without_personal_data():
    metrics = Metrics(lambda: {"mqtt_connected": 1, "mqtt_messages_dropped_total": 7}, lambda: 0.0)
    for quality in (GOOD, GOOD, MOVING):
        metrics.vitals(vitals(quality, bpm=68.4))
    for seconds in LATENCIES_S:
        metrics.latency(seconds)
    text = metrics.text().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    values = {
        (sample.name.removeprefix("radarecg_"), *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert all(name.startswith("radarecg_") for name in families)
    assert text.count("# TYPE") == len(families)
    assert {name: families[f"radarecg_{name}"].type for name in ("healthy", "frames_lost", "latency_seconds")} == {
        "healthy": "gauge",
        "frames_lost": "counter",
        "latency_seconds": "histogram",
    }
    assert values.pop(("uptime_seconds",)) == 0
    assert values.pop(("latency_seconds_sum",)) == pytest.approx(4.033)
    buckets = {key[1]: values.pop(key) for key in list(values) if key[0] == "latency_seconds_bucket"}
    assert buckets == {
        "+Inf" if bound == math.inf else str(bound): sum(s <= bound for s in LATENCIES_S)
        for bound in (*LATENCY_BUCKETS_S, math.inf)
    }
    assert values == {
        ("build_info", __version__): 1,
        ("healthy",): 1,
        ("frames_received_total",): 2598,
        ("frames_lost_total",): 2,
        ("vitals_total", "true"): 2,
        ("vitals_total", "false"): 1,
        ("quality_state", "good"): 0,
        ("quality_state", "degraded"): 0,
        ("quality_state", "unusable"): 1,
        ("latency_seconds_count",): 4,
        ("mqtt_connected",): 1,
        ("mqtt_messages_dropped_total",): 7,
    }
    for word in ("68", "movement", "breathing", "0.463"):
        assert word not in text
