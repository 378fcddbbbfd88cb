"""The discovery message: what a Home Assistant was seen to accept, and what its entities show of real payloads."""

import json
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from edge.frames import FrameCount, Quality, Vitals
from edge.mqtt.homeassistant import discovery
from tests.peers.brokers import Listener
from tests.peers.publishing import GOOD, connected

# Seen in Home Assistant 2025.4.4, which has no device class for a heart rate; object_id ends with 2026.4.
VERIFIED = Path(__file__).parents[2] / "shared/facts/mqtt/ha_device_discovery.json"
MOVING = replace(
    GOOD, heart_rate_bpm=None, breathing_rate_bpm=None, quality=Quality("unusable", 0.11, ("body_movement",))
)
GONE = Vitals(GOOD.t_ns, None, None, None, Quality("unusable", 0.0, ("no_subject",)), FrameCount(9, 0))


@pytest.fixture(scope="module")
def told() -> dict:
    return json.loads(discovery("radar-0001", "77GHz radar"))


def test_entities_show_what_vitals_say_and_nothing_else(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port, "#")
    publisher = connected(mosquitto_port, tmp_path, mmecg, home_assistant=True)
    message = listener.wait_for("homeassistant/device/radar-0001/config")
    told = json.loads(message.payload)
    shown = {}
    for name, vitals in {"good": GOOD, "moving": MOVING, "gone": GONE}.items():
        publisher.vitals(vitals)
        payload = json.loads(listener.wait_for(told["state_topic"]).payload)
        shown[name] = {
            entity: jinja2.Template(settings["value_template"]).render(value_json=payload)
            for entity, settings in told["components"].items()
        }
    assert shown["good"] == {
        "heart_rate": "64.0",
        "breathing_rate": "15.0",
        "signal_quality": "93.0",
        "quality_state": "good",
        "movement": "OFF",
        "presence": "ON",
        "problem": "OFF",
    }
    assert shown["moving"]["heart_rate"] == shown["moving"]["breathing_rate"] == "None"  # unknown, to Home Assistant
    assert (shown["moving"]["movement"], shown["moving"]["problem"]) == ("ON", "ON")
    assert (shown["gone"]["heart_rate"], shown["gone"]["presence"]) == ("None", "OFF")
    available = told["availability"][0]
    publisher.close()
    said = []
    while said[-1:] != [available["payload_not_available"]]:
        status = json.loads(listener.wait_for(available["topic"]).payload)
        said.append(jinja2.Template(available["value_template"]).render(value_json=status))
    listener.close()
    late = Listener(mosquitto_port, "homeassistant/#")
    assert late.wait_for("/config").payload == message.payload  # for a Home Assistant that starts later
    late.close()


def test_without_being_asked_nothing_is_said_to_home_assistant(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port, "#")
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    publisher.vitals(GOOD)
    listener.wait_for("/vitals")
    publisher.close()
    assert not [message for message in listener.received if message.topic.startswith("homeassistant")]
    listener.close()


def test_every_entity_goes_blank_when_nothing_comes(told):
    assert {entity["expire_after"] for entity in told["components"].values()} == {15}
    unique = [entity["unique_id"] for entity in told["components"].values()]
    assert len(set(unique)) == len(unique)
    assert all("object_id" not in entity for entity in told["components"].values())
    assert "device_class" not in told["components"]["heart_rate"]


def test_it_agrees_with_the_verified_message(told):
    if not VERIFIED.is_file():
        pytest.skip(f"the verified message is not at {VERIFIED}")
    verified = json.loads(VERIFIED.read_text())
    assert set(told) <= set(verified)
    assert told["availability"] == verified["availability"]
    assert (told["state_topic"], told["qos"]) == (verified["state_topic"], verified["qos"])
    assert set(told["device"]) <= set(verified["device"])
    assert set(told["origin"]) <= set(verified["origin"])
    for ours, theirs in {"heart_rate": "heart_rate", "signal_quality": "quality_index", "movement": "movement"}.items():
        known = verified["components"][theirs]
        for key in ("platform", "state_class", "device_class", "unit_of_measurement", "expire_after"):
            assert told["components"][ours].get(key) == known.get(key), (ours, key)
    assert {key for entity in told["components"].values() for key in entity} <= {
        key for entity in verified["components"].values() for key in entity
    }
