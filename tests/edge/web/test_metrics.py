"""Health check and metrics of the runtime, without personal data."""

import re

from edge.web.metrics import STALE_S, Metrics
from tests.helpers.web import GOOD, MOVING, vitals


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
    metrics = Metrics(lambda: {"mqtt_connected": 1, "mqtt_messages_dropped_total": 7})
    for quality in (GOOD, GOOD, MOVING):
        metrics.vitals(vitals(quality, bpm=68.4))
    for seconds in (0.001, 0.002, 0.03, 4.0):
        metrics.latency(seconds)
    lines = metrics.text().splitlines()
    for line in lines:
        assert re.fullmatch(r'# TYPE \w+ (gauge|counter|histogram)|\w+(\{\w+="[^"]*"\})? [0-9.]+', line), line
    assert len(lines) == len(set(lines))
    for line in (
        "radarecg_frames_received_total 2598",
        "radarecg_frames_lost_total 2",
        'radarecg_vitals_total{valid="true"} 2',
        'radarecg_vitals_total{valid="false"} 1',
        'radarecg_quality_state{state="unusable"} 1',
        'radarecg_quality_state{state="good"} 0',
        'radarecg_latency_seconds_bucket{le="0.002"} 2',
        'radarecg_latency_seconds_bucket{le="0.05"} 3',
        'radarecg_latency_seconds_bucket{le="1.0"} 3',
        'radarecg_latency_seconds_bucket{le="+Inf"} 4',
        "radarecg_latency_seconds_count 4",
        "radarecg_mqtt_connected 1",
        "radarecg_mqtt_messages_dropped_total 7",
    ):
        assert line in lines
    for word in ("68", "heart", "movement", "breathing", "0.463"):
        assert word not in metrics.text()
