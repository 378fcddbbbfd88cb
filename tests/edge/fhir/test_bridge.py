"""The bridge with a real broker, as a command and in a thread, to a folder and to a server."""

import base64
import json
import logging
import queue
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import pytest
from fhir.resources import observation as r5

from edge.core.types import Quality
from edge.mqtt import payloads as p
from edge.mqtt.settings import SpoolConfig, open_spool
from edge.mqtt.spool import Spool, SpoolError
from edge.runtime.hub_config import load_hub_config
from edge.runtime.hub_service import serve_hub
from tests.helpers.bridges import publish
from tests.helpers.disk import write_private
from tests.helpers.fhir import running_server
from tests.helpers.hub_messages import ECG, INFO, INFO_TOPIC, TOPIC, VALID
from tests.helpers.network import Link
from tests.helpers.processes import child
from tests.helpers.publishing import GOOD, connected, wait


def hub_config(folder, port: int, fhir: str):
    path = folder / "hub.toml"
    path.write_text(f"[mqtt]\nport = {port}\n[fhir]\n{fhir}\n")
    return path


@contextmanager
def bridge(tmp_path, port: int, target: str, *options: str):
    """Run the command in a process of its own; yield its log lines."""
    config = hub_config(tmp_path, port, "every_s = 1")
    command = [sys.executable, "-m", "edge", "fhir-bridge", target, "--config", str(config), *options]
    with child(command, stderr=subprocess.PIPE, text=True) as process:
        log_lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        reader = threading.Thread(target=lambda: [log_lines.put(line) for line in process.stderr])
        reader.start()
        try:
            assert "connected to the broker" in log_lines.get(timeout=120)
            yield log_lines
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
            reader.join()


@contextmanager
def bridge_thread(tmp_path, port: int, target: str, fhir: str = "every_s = 1"):
    """Run the bridge in a thread; yield its log lines."""
    log_lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    handler, stops = logging.Handler(), []
    handler.emit = lambda record: log_lines.put(record.getMessage())
    logger = logging.getLogger("edge.fhir")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    arguments = (hub_config(tmp_path, port, fhir), target, "R4B", stops.append)
    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.fhir.inbox.QUIET_S", 0.0)
        ended = pool.submit(serve_hub, *arguments)
        try:
            assert "connected to the broker" in log_lines.get(timeout=120)
            yield log_lines
        finally:
            for stop in stops:
                stop()
            ended.result(60)
            logger.setLevel(logging.NOTSET)
            logger.removeHandler(handler)


def test_messages_during_a_stop_of_the_bridge_are_stored_later(mosquitto_port, tmp_path, mmecg):
    folder = tmp_path / "observations"
    moving = replace(
        GOOD, heart_rate_bpm=None, breathing_rate_bpm=None, quality=Quality("unusable", 0.1, ("body_movement",))
    )

    def found() -> list[dict]:
        return [json.loads(path.read_text()) for path in sorted(folder.glob("radar-0001/2*/*.json"))]

    with Link(mosquitto_port) as link:
        with bridge_thread(tmp_path, mosquitto_port, str(folder)):
            publisher = connected(link.port, tmp_path, mmecg)
            publisher.vitals(GOOD)
            wait(lambda: len(found()) == 2 and (folder / "radar-0001/device.json").exists())
        link.bytes_per_s = 10.0  # the link stalls, so the next message arrives as backfill, which the broker keeps
        publisher.vitals(moving)
        link.cut()
        link.bytes_per_s = float("inf")
        wait(lambda: publisher.outbox.count().spool.messages == 0)
        publisher.close()
    with bridge(tmp_path, mosquitto_port, str(folder), "--fhir", "R5"):
        wait(lambda: len(found()) == 4)
    rates = [resource.get("valueQuantity", {}).get("value") for resource in found()]
    assert sorted(rates, key=str) == [15.0, 64.0, None, None]
    for resource in found():
        r5.Observation.model_validate(resource)
    device = json.loads((folder / "radar-0001/device.json").read_text())
    assert device["deviceName"][0]["name"] == "radar-0001"


def test_an_invalid_message_is_set_aside_and_does_not_block_the_others(mosquitto_port, tmp_path):
    with bridge_thread(tmp_path, mosquitto_port, str(tmp_path / "out")) as log_lines:
        evil = p.encode(msgspec.structs.replace(VALID, boot="../../x"))
        bad_boot = p.encode(msgspec.structs.replace(VALID, boot="5f0c6a9e\n"))
        late = p.encode(msgspec.structs.replace(VALID, t_ns=10**30))
        endless = p.encode(ECG).replace(b'"fs":200', b'"fs":0')
        own = VALID.device
        deep = b'{"schema":"radarecg.vitals/1","clock":{"x":' + b"[" * 100_000
        long = p.encode(VALID).replace(b'"seq":7', b'"seq":' + b"7" * 300)
        bad = (b"\x00", b"{}", evil, b'{"schema":"radarecg.vitals/1","device":"\xff"}', bad_boot, late, endless, deep)
        bad = (*bad, long, b"", p.encode(msgspec.structs.replace(VALID, t_ns=253_370_764_800_000_000_000)))
        foreign = ("radarecg/v1/radar-0002/vitals", p.encode(VALID))  # from another device
        publish(mosquitto_port, *((TOPIC, payload) for payload in bad), foreign, (TOPIC, p.encode(VALID)))
        wait(lambda: len(list(tmp_path.glob("out/*/*/*.json"))) == 2)
        lines = [log_lines.get(timeout=30) for _ in range(2)]  # the first of each topic
    lines.append(log_lines.get(timeout=30))
    assert all("to a resource: " in line for line in lines[:2])
    assert f"its payload names another device, {own}" in lines[1]
    assert f"2 resources stored, {len(bad) + 1} (unreadable message) refused, 0 messages wait" in lines[2]
    letters = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("fhir-dead-letters/*.json"))]
    assert [base64.b64decode(letter["payload_base64"]) for letter in letters] == [*bad, p.encode(VALID)]
    assert {letter["status"] for letter in letters} == {"unreadable message"}
    assert "recursion" in letters[bad.index(deep)]["answer"].lower()
    names = ["5f0c6a9e-7-breathing-rate.json", "5f0c6a9e-7.json"]
    assert sorted(path.name for path in tmp_path.glob("out/*/*/*.json")) == names


def test_observations_are_retried_until_stored(mosquitto_port, tmp_path):
    with running_server(503, 422) as server, bridge_thread(tmp_path, mosquitto_port, server.url) as log_lines:
        publish(mosquitto_port, (TOPIC, p.encode(VALID)), (INFO_TOPIC, p.encode(INFO)))
        wait(lambda: len(server.requests) == 3)
        assert "503" in log_lines.get(timeout=30)
        assert "422" in log_lines.get(timeout=30)
    first, again, second = server.requests
    assert first.resource == again.resource  # retried after 503; 422 is final
    assert second.resource == server.stored[0] != first.resource
    assert first.headers["Content-Type"] == "application/fhir+json"
    identifier = first.resource["identifier"][0]["value"]
    assert first.headers["If-None-Exist"] == f"identifier=urn:radarecg:message|{identifier}"


def test_patients_are_on_the_server_and_nowhere_else(mosquitto_port, tmp_path):
    write_private(tmp_path / "subjects.csv", "device,patient\nradar-0001,Patient/secret\n")
    fhir = 'subjects = "subjects.csv"\nevery_s = 1'
    with running_server() as server:
        server.refuse = lambda resource: 422 if resource.get("valueQuantity", {}).get("value") == 15.0 else None
        with bridge_thread(tmp_path, mosquitto_port, server.base, fhir) as log_lines:
            publish(mosquitto_port, (INFO_TOPIC, p.encode(INFO)), (TOPIC, p.encode(VALID)))
            wait(lambda: server.stored and list(tmp_path.glob("fhir-dead-letters/*.json")))
            wait(lambda: len(server.resources) == 5)
        assert [resource["subject"]["reference"] for resource in server.stored] == ["Patient/secret"]
        assert not any("subject" in resource for (kind, _), resource in server.resources.items() if "Device" in kind)
    lines = []
    while not log_lines.empty():
        lines.append(log_lines.get())
    assert any("is refused: 422" in line for line in lines)
    assert "secret" not in "".join(lines)
    holding = [path.name for path in tmp_path.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    assert set(holding) - {"subjects.csv"} == {path.name for path in tmp_path.glob("fhir-dead-letters/*.json")}


def test_client_ids_are_stable_and_unique(tmp_path):
    identities = []
    for name in ("a", "b", "a"):
        spool = Spool(tmp_path / name, 1 << 20)
        identities.append(spool.identity)
        spool.close()
    assert identities[0] == identities[2] != identities[1]


def test_run_and_bridge_use_separate_spools(tmp_path):
    (tmp_path / "hub.toml").write_text("[mqtt]\n[spool]\nmax_mb = 5\n")
    hub = load_hub_config(tmp_path / "hub.toml", {})
    assert hub.spool.file != SpoolConfig().file
    assert hub.spool.max_mb == 5
    spool = Spool(tmp_path / hub.spool.file, 1 << 20)
    with pytest.raises(SpoolError, match=r"fhir-spool.db: another process \(run or fhir-bridge\).*set another file"):
        open_spool(hub.spool, tmp_path / "hub.toml")
    spool.close()
