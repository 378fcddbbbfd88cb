"""deploy/hub: Telegraf, InfluxDB and Grafana are given the fields that devices publish, and show a gap as a gap."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import msgspec
import pytest

from edge.core.types import Quality
from edge.mqtt.topics import HEALTH, STATUS, VITALS, backfill
from tests.helpers.brokers import Listener
from tests.helpers.hub import HUB, load_setup, set_up
from tests.helpers.influxdb import running_influxdb
from tests.helpers.payload_fields import payload_field
from tests.helpers.publishing import GOOD, connected
from tests.helpers.telegraf import MissingFieldError, Telegraf, field_name

DASHBOARD = json.loads((HUB / "grafana/dashboards/radarecg.json").read_text())
QUERIES = [target["query"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
JSON_TYPES = {"float": {"number"}, "int": {"integer", "boolean"}, "string": {"string", None}}  # None: an enumeration
MOVING = replace(
    GOOD, heart_rate_bpm=None, breathing_rate_bpm=None, quality=Quality("unusable", 0.1, ("body_movement",))
)


@pytest.fixture(scope="module")
def telegraf() -> Telegraf:
    return Telegraf((HUB / "telegraf.conf").read_text())


@pytest.fixture
def messages(mosquitto_port, tmp_path, mmecg):
    """What a real publisher sends, by the end of the topic: a good second, then one of a moving person."""
    listener = Listener(mosquitto_port)
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    publisher.vitals(GOOD)
    publisher.vitals(replace(MOVING, t_ns=GOOD.t_ns + 10**9))
    found = {name: [listener.wait_for(name).payload] for name in ("status", "vitals", "health")}
    found["vitals"].append(listener.wait_for("vitals").payload)
    publisher.close()
    listener.close()
    return found


def test_telegraf_reads_fields_that_the_schemas_have(telegraf):
    for each in telegraf.inputs:
        [metric] = each["json_v2"]
        suffix = metric["measurement_name"]
        assert each["topics"][0] == f"radarecg/v1/+/{suffix}"
        for field in metric["field"]:
            found = payload_field(suffix, field["path"])
            assert found.get("type") in JSON_TYPES[field["type"]], field
        if "timestamp_path" in metric:
            assert metric["timestamp_format"] == "unix_ns"
            assert payload_field(suffix, metric["timestamp_path"])["type"] == "integer"
        else:
            assert suffix == "status"


def test_telegraf_stores_a_rate_that_is_not_valid_as_no_field(telegraf, messages):
    good, moving = (telegraf.point(VITALS.name("radar-0001"), payload) for payload in messages["vitals"])
    assert good.fields["heart_rate_bpm"] == GOOD.heart_rate_bpm
    assert good.fields["is_valid"] == 1
    assert "reason" not in good.fields
    assert moving.fields["is_valid"] == 0
    assert moving.fields["reason"] == "body_movement"
    assert {"heart_rate_bpm", "breathing_rate_bpm"}.isdisjoint(moving.fields)
    assert (good.t_ns, moving.t_ns) == (GOOD.t_ns, GOOD.t_ns + 10**9)


def test_a_backfilled_message_replaces_itself(telegraf, messages):
    [live, later] = (
        telegraf.point(topic.name("radar-0001"), messages["vitals"][0]) for topic in (VITALS, backfill("vitals"))
    )
    assert live == later


def test_the_device_is_that_of_the_topic(telegraf, messages):
    forged = messages["vitals"][0].replace(b"radar-0001", b"radar-0002")
    assert telegraf.point(VITALS.name("radar-0001"), forged).tags == {"device": "radar-0001"}


def test_health_without_a_computer_is_stored(telegraf, messages):
    point = telegraf.point(HEALTH.name("radar-0001"), messages["health"][0])
    assert json.loads(messages["health"][0])["computer"] is None
    assert point.fields["spool_messages"] >= 0
    assert "temperature_c" not in point.fields
    with pytest.raises(MissingFieldError):
        telegraf.point(HEALTH.name("radar-0001"), messages["status"][0])


def test_the_dashboard_shows_only_fields_that_telegraf_writes(telegraf):
    written = {}
    for each in telegraf.inputs:
        [metric] = each["json_v2"]
        written[metric["measurement_name"]] = {field_name(field) for field in metric["field"]}
    for query in QUERIES:
        measurement = re.search(r'FROM "(\w+)"', query)[1]
        fields = re.findall(r'\("(\w+)"\)', query)
        assert fields
        assert set(fields) <= written[measurement], query
        assert '"device"' in query


def test_the_dashboard_repeats_no_value_of_a_person():
    titles = {panel["title"]: panel for panel in DASHBOARD["panels"]}
    for title in ("Heart rate", "Breathing rate", "Quality", "Movement"):
        [target] = titles[title]["targets"]
        assert target["query"].endswith("fill(null)")
        assert titles[title]["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False
    table = titles["Devices now"]["targets"][0]["query"]
    assert "now() - 10s" in table
    assert not re.search(r'last\("\w+_bpm"\)', table)
    assert not any("fill(previous)" in query for query in QUERIES if '"vitals"' in query)


def test_compose_conforms_to_its_schema():
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = ["check_jsonschema", "--builtin-schema", "vendor.compose-spec", HUB / "compose.yaml"]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_compose_uses_what_the_set_up_makes(tmp_path, telegraf):
    yaml = pytest.importorskip("ruamel.yaml", reason="check-jsonschema is not installed").YAML(typ="safe")
    services = yaml.load(HUB / "compose.yaml")["services"]
    assert {name for name, service in services.items() if "profiles" in service} == {"fhir-bridge", "ward"}
    environment = tmp_path / ".env"
    load_setup().write_compose_environment(environment, tmp_path)
    names = {line.partition("=")[0] for line in environment.read_text().splitlines()}
    assert set(re.findall(r"\$\{(\w+):\?", (HUB / "compose.yaml").read_text())) == names - {"HUB"}
    folder = set_up(tmp_path)
    for each in telegraf.inputs:
        files = [each[name].removeprefix("/etc/radarecg-hub/") for name in ("tls_ca", "tls_cert", "tls_key")]
        assert all((folder / "programs" / name).is_file() for name in files)
        assert each["servers"] == ["ssl://broker:8884"]
    assert len({each["client_id"] for each in telegraf.inputs}) == len(telegraf.inputs)
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["mem_limit"]
        sources = [volume.split(":")[0] for volume in service["volumes"] if volume.startswith("./")]
        assert all((HUB / source).exists() for source in sources)
    source = yaml.load(HUB / "grafana/provisioning/datasources/influxdb.yaml")["datasources"][0]
    [output] = telegraf.settings["outputs"]["influxdb_v2"]
    assert (
        source["jsonData"]["dbName"]
        == output["bucket"]
        == services["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]
    )
    assert {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]} == {
        source["uid"]
    }


def test_programs_of_the_hub_get_no_setting_of_a_device():
    """A RADARECG_ variable that is none of a program's settings is an error."""
    variables = re.findall(r"\b(RADARECG_\w+)=", (HUB.parents[1] / "Dockerfile.jetson").read_text())
    yaml = pytest.importorskip("ruamel.yaml", reason="check-jsonschema is not installed").YAML(typ="safe")
    compose = yaml.load(HUB / "compose.yaml")
    removed = [argument for name in variables for argument in ("-u", name)]
    for name in ("fhir-bridge", "ward"):
        service = compose["services"][name]
        assert service["entrypoint"] == ["env", *removed, "radarecg"]
        assert service["command"][0] == name


def test_the_ward_page_gets_its_settings_and_token(tmp_path):
    programs = set_up(tmp_path) / "programs"
    bridge, ward = (msgspec.toml.decode((programs / f"{name}.toml").read_text()) for name in ("hub", "ward"))
    assert ward["mqtt"] == bridge["mqtt"]
    compose = (HUB / "compose.yaml").read_text()
    assert f"127.0.0.1:{ward['ward']['port']}:{ward['ward']['port']}" in compose
    assert "[ward, --config, /etc/radarecg-hub/ward.toml]" in compose
    [token] = ward["ward"]["admin_tokens"].values()
    assert len((programs / token).read_text().strip()) >= 16


@pytest.fixture
def influx(tmp_path):
    with running_influxdb(tmp_path) as request:
        yield request


@pytest.mark.slow
def test_influxdb_answers_the_dashboard_and_a_gap_stays_a_gap(influx, telegraf, messages):
    good, moving = messages["vitals"]
    start_ns = GOOD.t_ns // 10**10 * 10**10
    lines = []
    for second in range(60):
        payload = moving if 20 <= second < 40 else good
        t_ns = start_ns + second * 10**9
        message = json.loads(payload) | {"t_ns": t_ns}
        lines.append(telegraf.point(VITALS.name("radar-0001"), json.dumps(message).encode()).line(t_ns))
    for topic, name in ((HEALTH, "health"), (STATUS, "status")):
        point = telegraf.point(topic.name("radar-0001"), messages[name][0])
        lines.append(point._replace(t_ns=start_ns).line(start_ns))
    influx("write", "\n".join([*lines, *lines]), db="radarecg")  # everything twice, as after an outage
    times = f"time >= {start_ns} AND time < {start_ns + 60 * 10**9}"
    rows = {}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            query = target["query"].replace("$timeFilter", times).replace("$__interval", "5s").replace("$device", ".*")
            query = re.sub(r"time > now\(\) - \d+[sd]", times, query)
            [result] = influx("query", db="radarecg", q=query)["results"]
            assert "error" not in result, (query, result)
            if not re.search("temperature_c|difference", query):
                [series] = result["series"]
                assert series["tags"] == {"device": "radar-0001"}
                rows[panel["title"], target["refId"]] = [row[1] for row in series["values"]]
    assert rows["Heart rate", "A"] == [64.0] * 4 + [None] * 4 + [64.0] * 4
    assert rows["Seconds with a valid heart rate", "A"] == [1] * 4 + [0] * 4 + [1] * 4
    assert rows["Quality", "A"] == ["good"] * 4 + ["unusable"] * 4 + ["good"] * 4
    [result] = influx("query", db="radarecg", q='SELECT count("is_valid") FROM "vitals"')["results"]
    assert result["series"][0]["values"][0][1] == 60
    [devices] = DASHBOARD["templating"]["list"]
    [result] = influx("query", db="radarecg", q=devices["query"])["results"]
    assert result["series"][0]["values"] == [["device", "radar-0001"]]
