"""The discovery message: format accepted by a real Home Assistant, and entity states for real payloads."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

from edge.core.settings import ConfigError
from edge.core.types import BeatRate, Chest, FrameCount, Quality, RateEstimate, Vitals
from edge.mqtt.homeassistant import discovery
from edge.mqtt.topics import HEALTH
from edge.pipeline import Pipeline
from edge.runtime.config import load_config
from edge.vitals.quality import Evidence
from tests.helpers.brokers import Listener
from tests.helpers.home_assistant import shown
from tests.helpers.publishing import GOOD, connected

# Seen in Home Assistant 2025.4.4, which has no device class for a heart rate; object_id ends with 2026.4.
VERIFIED = Path(__file__).parents[4] / "shared/facts/mqtt/ha_device_discovery.json"
MOVING = replace(
    GOOD, heart_rate_bpm=None, breathing_rate_bpm=None, quality=Quality("unusable", 0.11, ("body_movement",))
)
GONE = Vitals(GOOD.t_ns, None, None, None, Quality("unusable", 0.0, ("no_subject",)), FrameCount(9, 0))
SILENT = replace(GONE, quality=Quality("unusable", 0.0, ("radar_fault", "stale")))


@pytest.fixture(scope="module")
def discovered() -> dict:
    return json.loads(discovery("radar-0001", "77GHz radar", "http://jetson.local:8080/"))


def test_entities_show_the_values_of_vitals_only(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port, "#")
    publisher = connected(mosquitto_port, tmp_path, mmecg, home_assistant=True)
    message = listener.wait_for("homeassistant/device/radar-0001/config")
    discovered = json.loads(message.payload)
    seen = {}
    for name, vitals in {"good": GOOD, "moving": MOVING, "gone": GONE, "silent": SILENT}.items():
        publisher.vitals(vitals)
        seen[name] = shown(discovered, json.loads(listener.wait_for(discovered["state_topic"]).payload))
    assert seen["good"] == {
        "heart_rate": "64.0",
        "breathing_rate": "15.0",
        "chest_distance": "0.46",
        "signal_quality": "93.0",
        "frames_lost": "0",
        "quality_state": "good",
        "movement": "OFF",
        "presence": "ON",
        "problem": "OFF",
        "radar": "ON",
    }
    assert seen["moving"]["heart_rate"] == seen["moving"]["breathing_rate"] == "None"
    assert (seen["moving"]["movement"], seen["moving"]["presence"]) == ("ON", "ON")
    for name in ("heart_rate", "breathing_rate", "chest_distance"):
        assert seen["gone"][name] == seen["silent"][name] == "None"
    for name in ("presence", "movement", "problem"):
        assert (seen["gone"][name], seen["silent"][name]) == ("OFF", "None")
    assert (seen["gone"]["radar"], seen["silent"]["radar"]) == ("ON", "OFF")
    assert (seen["silent"]["signal_quality"], seen["silent"]["quality_state"]) == ("None", "unusable")
    available = discovered["availability"][0]
    publisher.close()
    states = []
    while states[-1:] != [available["payload_not_available"]]:
        status = json.loads(listener.wait_for(available["topic"]).payload)
        states.append(jinja2.Template(available["value_template"]).render(value_json=status))
    listener.close()
    late = Listener(mosquitto_port, "homeassistant/#")
    assert late.wait_for("/config").payload == message.payload  # for a Home Assistant that starts later
    late.close()


BEATS = BeatRate(70.0, (68.0, 72.0), 11, outlier_fraction=0.0)
CHEST = Chest(0.46, 20.0, True)


def evidence() -> Iterator[Evidence]:
    """Yields all combinations of evidence."""
    radar = product((0.0, 2.0, 9.0), (None, "the IQ order looks wrong"), (True, False), ("none", "mild"))
    heart = product((0.0, 20.0), (0.0, 0.05, 0.5), (0.0, 1.0), (True, False), (BEATS, None), (True, False))
    for seen, (history_s, lost_fraction, confidence, outputs_finite, beats, clock_synced) in product(
        radar, list(heart)
    ):
        rate, breathing = RateEstimate(70.0, confidence, (68.0, 72.0)), RateEstimate(15.0, 0.9)
        yield Evidence(*seen, history_s, lost_fraction, breathing, {}, rate, True, outputs_finite, beats, clock_synced)


def test_unmeasured_values_are_unknown(discovered, mmecg):
    """All quality results: before the first frame, before the first search for a chest, and afterwards."""
    pipeline = Pipeline(mmecg, lambda: True)
    pipeline._last_frame_ns = 0
    published = {}
    for e, (received, searched) in product(evidence(), ((0, False), (900, False), (900, True))):
        if searched or e.present:  # a chest that was not searched for is not missing
            pipeline.collect_evidence = lambda now_ns, e=e: e
            pipeline._received = received
            pipeline._block = SimpleNamespace(chest=replace(CHEST, present=e.present)) if searched else None
            vitals = pipeline.vitals(0)
            published[vitals, searched] = e
    assert len({vitals.quality.flags for vitals, _ in published}) > 30
    for (vitals, searched), e in published.items():
        check(vitals, searched, e, shown(discovered, payload_of(vitals)))


def payload_of(v: Vitals) -> dict:
    return {
        "hr": {"valid": v.heart_rate_bpm is not None, "value": v.heart_rate_bpm},
        "breathing": {"valid": v.breathing_rate_bpm is not None, "value": v.breathing_rate_bpm},
        "chest_range_m": v.chest_range_m,
        "quality": {"state": v.quality.state, "sqi": v.quality.sqi, "flags": list(v.quality.flags)},
        "frames": {"received": v.frames.received, "lost": v.frames.lost},
    }


def check(vitals: Vitals, searched: bool, e: Evidence, seen: dict[str, str]) -> None:
    """Checks the entity states against the evidence, not the flags."""
    flags, received = vitals.quality.flags, vitals.frames.received > 0
    silent, moves = e.silence_s > 1, e.movement != "none"
    receives = received and not silent
    usable = receives and e.problem is None
    still = usable and e.present and not moves
    assert seen["radar"] == ("OFF" if silent else "ON" if received else "None"), flags
    assert (seen["signal_quality"] != "None") == receives, flags
    assert (seen["frames_lost"] != "None") == received, flags
    assert (seen["heart_rate"] != "None") == (vitals.heart_rate_bpm is not None), flags
    assert (seen["chest_distance"] != "None") == (still and searched), flags
    if usable and searched:
        assert seen["presence"] == ("ON" if e.present else "OFF"), flags
        assert seen["movement"] == ("ON" if e.present and moves else "OFF"), flags
    else:  # a movement may date from the second before the reset
        assert seen["presence"] == seen["movement"] == ("ON" if usable and moves else "None"), flags
    bad = e.problem is not None or e.lost_fraction > 0
    waits = still and "warming_up" in flags
    poor = still and not waits and vitals.quality.state != "good"
    assert seen["problem"] == ("None" if not receives or (waits and not bad) else "ON" if bad or poor else "OFF"), flags


def test_discovery_is_off_by_default(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port, "#")
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    publisher.vitals(GOOD)
    listener.wait_for("/vitals")
    publisher.close()
    assert not [message for message in listener.received if message.topic.startswith("homeassistant")]
    listener.close()


def test_another_discovery_prefix_is_used(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port, "#")
    publisher = connected(mosquitto_port, tmp_path, mmecg, home_assistant=True, discovery_prefix="ha/discovery")
    assert listener.wait_for("/config").topic == "ha/discovery/device/radar-0001/config"
    publisher.close()
    listener.close()


@pytest.mark.parametrize("prefix", ["homeassistant", "ha/discovery", "Home Assistant", "häuslich"])
def test_valid_discovery_prefixes(tmp_path, prefix):
    assert load_config(settings(tmp_path, prefix), {}).mqtt.discovery_prefix == prefix


@pytest.mark.parametrize("prefix", ["", "/", "ha/", "/ha", "ha//x", "ha/#", "+", "$SYS/ha", "ha\\n", "ha\\u0000"])
def test_invalid_discovery_prefixes(tmp_path, prefix):
    with pytest.raises(ConfigError, match=r"\$\.mqtt\.discovery_prefix"):
        load_config(settings(tmp_path, prefix), {})


def settings(folder: Path, prefix: str) -> Path:
    path = folder / "radarecg.toml"
    path.write_text(f'device = "a"\n[radar]\ncfg = "x.cfg"\n[mqtt]\ndiscovery_prefix = "{prefix}"\n')
    return path


# What Home Assistant's MQTT documentation has for an entity of a device.
COMMON = {
    "platform",
    "unique_id",
    "state_topic",
    "name",
    "device_class",
    "icon",
    "entity_category",
    "expire_after",
    "value_template",
}
KEYS = {
    "sensor": COMMON | {"state_class", "unit_of_measurement", "suggested_display_precision", "options"},
    "binary_sensor": COMMON,
}


def test_every_entity_expires_and_has_documented_keys_only(discovered):
    entities = discovered["components"].values()
    expiry = {entity.get("state_topic", "vitals").rpartition("/")[2]: entity.get("expire_after") for entity in entities}
    assert expiry == {"vitals": 15, "health": HEALTH.expiry_s, "info": None}
    assert (
        len({entity["unique_id"] for entity in entities})
        == len({entity["name"] for entity in entities})
        == len(entities)
    )
    for entity in entities:
        assert entity.keys() <= KEYS[entity["platform"]]
        # An enumeration has no unit; a number has one. Only numbers may be unknown by "None".
        is_word = entity["platform"] == "sensor" and "unit_of_measurement" not in entity
        assert ("options" in entity) == (is_word and entity["name"] != "Model")  # models are not an enumeration
        assert ("state_class" in entity) == ("unit_of_measurement" in entity)
    assert "device_class" not in discovered["components"]["heart_rate"]
    distance = discovered["components"]["chest_distance"]
    assert (distance["device_class"], distance["unit_of_measurement"]) == ("distance", "m")
    assert discovered["components"]["radar"]["device_class"] == "connectivity"
    assert discovered["components"]["frames_lost"]["entity_category"] == "diagnostic"
    assert discovered["components"]["frames_lost"]["state_class"] == "total_increasing"


def test_it_links_to_the_page_and_to_support(discovered):
    assert discovered["device"]["configuration_url"] == "http://jetson.local:8080/"
    assert "configuration_url" not in json.loads(discovery("radar-0001", "77GHz radar"))["device"]
    assert discovered["origin"]["support_url"].startswith("https://")


def test_it_matches_the_verified_message(discovered):
    if not VERIFIED.is_file():
        pytest.skip(f"the verified message is not at {VERIFIED}")
    verified = json.loads(VERIFIED.read_text())
    assert set(discovered) <= set(verified)
    assert discovered["availability"] == verified["availability"]
    assert (discovered["state_topic"], discovered["qos"]) == (verified["state_topic"], verified["qos"])
    assert set(discovered["device"]) <= set(verified["device"])
    assert set(discovered["origin"]) <= set(verified["origin"])
    for ours, theirs in {"heart_rate": "heart_rate", "signal_quality": "quality_index", "movement": "movement"}.items():
        known = verified["components"][theirs]
        for key in ("platform", "state_class", "device_class", "unit_of_measurement", "expire_after"):
            assert discovered["components"][ours].get(key) == known.get(key), (ours, key)
    assert {key for entity in discovered["components"].values() for key in entity} <= {
        "state_topic",  # an entity of another topic than most
        *(key for entity in verified["components"].values() for key in entity),
    }
