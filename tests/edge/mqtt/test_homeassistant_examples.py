"""The diagnostic entities for Home Assistant, and the example dashboard and blueprint."""

import json
import re
from pathlib import Path

import pytest
import yaml

from edge.core.types import FrameCount
from edge.mqtt.device_report import DeviceReport
from edge.mqtt.homeassistant import discovery
from edge.mqtt.info import NetworkState
from edge.mqtt.payloads import Model, encode
from tests.helpers.brokers import Listener
from tests.helpers.home_assistant import compiled, entity_ids, shown
from tests.helpers.publishing import connected

EXAMPLES = Path(__file__).parents[3] / "examples/home-assistant"


def test_diagnostics_show_health_and_info(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port, "#")
    reports = [DeviceReport(temperature_c=61.5, throttled=True), DeviceReport(throttled=False), DeviceReport(), None]
    network = NetworkState(Model("compact-1", "0" * 64))
    publisher = connected(
        mosquitto_port, tmp_path, mmecg, home_assistant=True, computer=lambda: reports.pop(0), network=network
    )
    info = json.loads(listener.wait_for("/info").payload)
    discovered = json.loads(listener.wait_for("/config").payload)
    assert shown(discovered, info, "info") == {"model": "compact-1"}
    assert shown(discovered, info | {"network": None}, "info") == {"model": "classical-1"}
    states = []
    while reports:
        health = json.loads(encode(publisher.health(FrameCount(9, 0))))
        states.append(shown(discovered, health, "health"))
    assert [state["temperature"] for state in states] == ["61.5", "None", "None", "None"]
    assert [state["throttled"] for state in states] == ["ON", "OFF", "None", "None"]
    lost = health | {"spool": health["spool"] | {"messages": 7, "evicted": 3, "unstored": 2}}
    seen = shown(discovered, lost, "health")
    assert (seen["messages_waiting"], seen["messages_lost"]) == ("7", "5")
    publisher.close()
    listener.close()


@pytest.fixture(scope="module")
def discovered() -> dict:
    return json.loads(discovery("radar-0001", "77GHz radar"))


class _Loader(yaml.SafeLoader):
    """Reads `!input NAME` as an Input."""


class Input(str):
    """Name of a blueprint's input."""


_Loader.add_constructor("!input", lambda loader, node: Input(loader.construct_scalar(node)))


def load_yaml(name: str) -> dict:
    return yaml.load((EXAMPLES / name).read_text(), _Loader)


def test_the_dashboard_shows_entities_that_are_announced(discovered):
    [view] = load_yaml("dashboard.yaml")["views"]
    shown_ids = {row["entity"] for card in view["cards"] for row in card["entities"]}
    assert shown_ids == entity_ids(discovered)  # all of them, too


def test_the_blueprint_asks_for_entities_that_are_announced(discovered):
    inputs = load_yaml("no_valid_rate.yaml")["blueprint"]["input"]
    announced = {entity["name"]: entity["platform"] for entity in discovered["components"].values()}
    for name in ("heart_rate", "presence"):
        wanted = inputs[name]["selector"]["entity"]["filter"]
        assert wanted == {"integration": "mqtt", "domain": announced[inputs[name]["name"]]}
        assert f'"{inputs[name]["name"]}"' in inputs[name]["description"]
    assert inputs["minutes"]["default"] == 10


def test_the_blueprint_uses_exactly_its_inputs():
    blueprint = load_yaml("no_valid_rate.yaml")
    used = set(re.findall(r"!input (\w+)", (EXAMPLES / "no_valid_rate.yaml").read_text()))
    assert used == set(blueprint["blueprint"]["input"])
    [trigger] = blueprint["trigger"]
    names = set(re.findall(r"(?:states|is_state)\((\w+)", trigger["value_template"]))
    assert names <= set(blueprint["trigger_variables"])
    assert trigger["for"] == {"minutes": Input("minutes")}


@pytest.mark.parametrize(
    ("rate", "presence", "is_raised"),
    [("64.0", "on", False), ("unknown", "on", True), ("unavailable", "on", True), ("unknown", "off", False)],
)
def test_the_blueprint_waits_only_while_somebody_without_a_rate_is_there(rate, presence, is_raised):
    [trigger] = load_yaml("no_valid_rate.yaml")["trigger"]
    states = {"sensor.rate": rate, "binary_sensor.presence": presence}
    rendered = compiled(trigger["value_template"]).render(
        rate="sensor.rate",
        presence="binary_sensor.presence",
        states=states.get,
        is_state=lambda entity, state: states[entity] == state,
        is_number=lambda text: text.replace(".", "").isdigit(),
    )
    assert rendered == str(is_raised)
