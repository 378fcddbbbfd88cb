"""The example notebook on a real export, and the Node-RED flow, which also runs in Node-RED."""

import json
import re
import shutil
import subprocess
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from edge.core.types import Quality
from edge.history.export import csv_lines
from edge.history.reader import open_reader
from edge.mqtt.topics import STATUS, VITALS
from tests.helpers.brokers import free_port
from tests.helpers.history import NOON, fill, vitals
from tests.helpers.payload_fields import payload_field
from tests.helpers.publishing import GOOD, connected, wait

EXAMPLES = Path(__file__).parents[1] / "examples"
FLOW = json.loads((EXAMPLES / "nodered-flow.json").read_text())
CORE_NODES = {"tab", "mqtt-broker", "mqtt in", "function", "debug", "http in", "template", "http response"}


def test_the_notebook_plots_an_export_with_its_gaps(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    moving = range(20, 30)

    def each(second: int):
        return vitals(second, None if second - NOON in moving else 60.0)

    fill(tmp_path / "history.sqlite", NOON, 60, each=each)
    fill(tmp_path / "history.sqlite", NOON + 90, 10)  # half a minute was not recorded
    with open_reader(tmp_path / "history.sqlite") as reader:
        Path("day.csv").write_text("".join(csv_lines(reader, NOON, NOON + 200, 1)))
    names: dict = {}
    notebook = json.loads((EXAMPLES / "vitals.ipynb").read_text())
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    rate = names["rate"]
    assert len(rate) == 100
    assert rate.isna().sum() == len(moving) + 30
    assert rate.dropna().unique().tolist() == [60.0]
    assert names["withheld"].sum() == len(moving)
    assert "body_movement" in capsys.readouterr().out
    [line] = [line for line in names["top"].lines if line.get_label() == "heart rate"]
    assert line.get_ydata().tolist()[19:21] == [60.0, pytest.approx(float("nan"), nan_ok=True)]


def test_the_flow_has_only_core_nodes_that_are_connected():
    ids = {node["id"]: node for node in FLOW}
    assert len(ids) == len(FLOW)
    assert {node["type"] for node in FLOW} == CORE_NODES
    targets = [target for node in FLOW for output in node.get("wires", []) for target in output]
    assert set(targets) <= set(ids)
    receiving = {node["id"] for node in FLOW if node["type"] in ("function", "debug", "template", "http response")}
    assert receiving == set(targets)
    inputs = [node for node in FLOW if node["type"] == "mqtt in"]
    assert {node["topic"] for node in inputs} == {VITALS.name("+"), STATUS.name("+")}
    assert {ids[node["broker"]]["type"] for node in inputs} == {"mqtt-broker"}


def test_the_flow_reads_fields_that_vitals_have():
    [source] = [node["func"] for node in FLOW if node["id"] == "radarecg-keep"]
    used = set(re.findall(r"\bv\.([a-z_.]+[a-z_])", source))
    assert "hr.value" in used
    for path in used:
        payload_field("vitals", path.removesuffix(".join"))


@pytest.fixture
def node_red(request):
    """Node-RED's start script, installed once into pytest's cache."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = request.config.cache.mkdir("node-red")
    script = folder / "node_modules/node-red/red.js"
    if not script.exists():
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder]
        subprocess.run(["npm", "install", *options, "node-red@4"], check=True, capture_output=True)
    return script


@pytest.mark.slow
def test_the_flow_shows_valid_rates_only(node_red, mosquitto_port, tmp_path, mmecg):
    port = free_port()
    flow = [node | {"port": str(mosquitto_port)} if node["type"] == "mqtt-broker" else node for node in FLOW]
    (tmp_path / "flow.json").write_text(json.dumps(flow))
    options = ["--userDir", tmp_path / "user", "--port", str(port), "-D", "uiHost=127.0.0.1", tmp_path / "flow.json"]
    with subprocess.Popen(["node", node_red, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert any("Connected to broker" in line for line in iter(process.stdout.readline, ""))
            publisher = connected(mosquitto_port, tmp_path, mmecg)
            publisher.vitals(GOOD)
            wait(lambda: "64 bpm" in _page(port))
            assert "<td>radar-0001</td><td>online</td>" in _page(port)
            quality = Quality("unusable", 0.1, ("body_movement",))
            publisher.vitals(replace(GOOD, heart_rate_bpm=None, breathing_rate_bpm=None, quality=quality))
            wait(lambda: "body_movement" in _page(port))
            assert "bpm" not in _page(port)
            publisher.close()
            wait(lambda: "<td>offline</td>" in _page(port))
        finally:
            process.kill()


def _page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/radarecg", timeout=60) as answer:
        return answer.read().decode()
