"""Metrics of the hub over real HTTP: counts of devices and messages, and nothing of one device."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge import __version__
from edge.mqtt.topics import VITALS
from edge.mqtt.watcher import Received
from edge.web.metrics import CONTENT_TYPE
from tests.helpers.ward import Hub, served
from tests.helpers.web import get


def values(text: str) -> dict[tuple, float]:
    return {
        (sample.name.removeprefix("radarecg_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def hub(tmp_path):
    """A device in each condition."""
    hub = Hub(tmp_path)
    hub.say("radar-silent")
    hub.say("radar-offline")
    hub.wait(10)
    for name in ("radar-1", "radar-2", "radar-hidden"):
        hub.say(name, 68.4)
    hub.say("radar-degraded", 71.0, state="degraded")
    hub.say("radar-unusable", None, ["low_snr"])
    hub.say("radar-absent", None, ["no_subject"])
    hub.say("radar-replay", replayed=True)
    hub.say_status("radar-offline", "offline")
    hub.say_status("radar-waiting", "online")
    hub.say_late("radar-1", 60.0)
    hub.ward.receive(Received("radar-unreadable", VITALS.suffix, b"{}", 0.0))
    hub.ward.hide("radar-hidden", True, "boss")
    hub.ward.rename("radar-1", "Bed 12", "boss")
    hub.ward.tick(True)
    return hub


def test_each_device_is_counted_once_and_none_is_named(hub):
    with served(hub) as page:
        page.is_paused = True
        status, headers, text = get(page.port, "/metrics")
    assert (status, headers["Content-Type"]) == (200, CONTENT_TYPE)
    found = values(text)
    assert found.pop(("uptime_seconds",)) >= 0
    assert found == {
        ("build_info", __version__): 1,
        ("healthy",): 1,
        ("ward_devices", "good"): 2,
        ("ward_devices", "degraded"): 1,
        ("ward_devices", "unusable"): 1,
        ("ward_devices", "absent"): 1,
        ("ward_devices", "offline"): 1,
        ("ward_devices", "silent"): 1,
        ("ward_devices", "waiting"): 1,
        ("ward_devices", "replay"): 1,
        ("ward_devices", "unreadable"): 1,
        ("ward_devices", "hidden"): 1,
        ("ward_messages_total", "status"): 2,
        ("ward_messages_total", "vitals"): 10,
        ("ward_messages_total", "backfill/vitals"): 1,
        ("ward_messages_unreadable_total",): 1,
    }
    lines = [line for line in text.splitlines() if "uptime" not in line]
    for word in ("radar-", "Bed", "68", "71"):
        assert not [line for line in lines if word in line]


def test_a_hub_that_does_not_work_is_not_healthy(hub):
    with served(hub) as page:
        page.fault.text = "not connected to the broker"
        assert values(get(page.port, "/metrics")[2])[("healthy",)] == 0
