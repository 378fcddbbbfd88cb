"""The diagnostic entities for Home Assistant, and the example dashboard and blueprint."""

import json

from edge.core.types import FrameCount
from edge.mqtt.device_report import DeviceReport
from edge.mqtt.info import NetworkState
from edge.mqtt.payloads import Model, encode
from tests.helpers.brokers import Listener
from tests.helpers.home_assistant import shown
from tests.helpers.publishing import connected


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
