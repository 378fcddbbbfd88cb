"""FHIR Observations validated by fhir.resources, and the bridge with a real broker, folders and a server."""

import base64
import http.server
import json
import logging
import queue
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import paho.mqtt.client as paho
import pytest
from fhir.resources import observation as r5
from fhir.resources.R4B import observation as r4b

from edge.core.errors import InputError
from edge.core.types import Quality
from edge.fhir.bridge import folder_store
from edge.fhir.observation import VERSIONS, observation
from edge.mqtt import payloads as p
from edge.mqtt.fields import iso_utc
from edge.runtime.hub_service import serve_hub
from tests.helpers.network import Link
from tests.helpers.processes import child
from tests.helpers.publishing import GOOD, connected, wait

MODELS = {"R4B": r4b.Observation, "R5": r5.Observation}
T_NS = 1_795_196_400_000_000_000
COMMON = {"device": "radar-0001", "boot": "5f0c6a9e", "clock": p.Clock("ptp", True, 42000), "model": p.Model("compact")}
VALID = p.VitalsPayload(
    **COMMON,
    seq=7,
    t=iso_utc(T_NS),
    t_ns=T_NS,
    window_s=10.0,
    hr=p.HeartRate(valid=True, value=64.2, age_ms=8),
    breathing=p.BreathingRate(valid=True, value=15.0),
    chest_range_m=0.5,
    quality=p.QualityReport("good", 0.93),
    frames=p.Frames(1, 0),
)
MOVING = msgspec.structs.replace(
    VALID,
    hr=p.HeartRate(valid=False, value=None, age_ms=8),
    breathing=p.BreathingRate(valid=False, value=None),
    quality=p.QualityReport("unusable", 0.11, ("body_movement", "frame_loss")),
)
ECG = p.EcgPayload(
    **COMMON,
    seq=8,
    sample0=0,
    t0=iso_utc(T_NS),
    t0_ns=T_NS,
    fs=200,
    n=6,
    latency_ms=900,
    samples=[12, -3, 990, None, None, 8],
    r_peaks=[2.0],
    confidence=[0.9],
    continues=True,
    quality=p.QualityReport("degraded", 0.5, ("frame_loss",)),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("payload", [VALID, MOVING, ECG])
def test_observations_validate(payload, version):
    resource = observation(payload, version)
    MODELS[version].model_validate(resource)
    assert resource["identifier"][0]["value"] == f"radar-0001/5f0c6a9e/{payload.seq}"
    assert resource["device"]["identifier"]["value"] == "radar-0001"
    assert "Not a medical device" in resource["note"][0]["text"]
    assert "subject" not in resource
    assert "Patient" not in json.dumps(resource)


def test_a_rate_has_a_value_or_a_reason_and_never_both():
    valid, absent = observation(VALID, "R4B"), observation(MOVING, "R4B")
    assert valid["valueQuantity"]["value"] == 64.2
    assert valid["valueQuantity"]["code"] == "/min"
    assert "dataAbsentReason" not in valid
    assert absent["dataAbsentReason"]["text"] == "body movement, frame loss"
    assert "valueQuantity" not in absent
    assert valid["effectiveDateTime"] == "2026-11-20T17:40:00.000Z"


@pytest.mark.parametrize("t_ns", [0, 10**18, 253_370_764_800_000_000_000, 10**30, -1])
def test_a_time_of_a_clock_that_was_not_set_is_refused(t_ns):
    for payload in (msgspec.structs.replace(VALID, t_ns=t_ns), msgspec.structs.replace(ECG, t0_ns=t_ns)):
        with pytest.raises(ValueError, match="is before 2020 or after 2099: set its clock"):
            observation(payload, "R4B")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_ecg_is_sampled_data_with_errors_where_nothing_is_known(version):
    resource = observation(ECG, version)
    sampled = resource["component"][0]["valueSampledData"]
    assert sampled["data"] == "12 -3 990 E E 8"
    assert re.fullmatch(r"(-?\d+|E)( (-?\d+|E))*", sampled["data"])
    assert 990 * sampled["factor"] == pytest.approx(0.99)  # mV
    assert sampled.get("period", sampled.get("interval")) == 5
    assert resource["effectivePeriod"] == {"start": "2026-11-20T17:40:00.000Z", "end": "2026-11-20T17:40:00.030Z"}
    assert "not a measured lead" in resource["code"]["text"]
    other = next(model for name, model in MODELS.items() if name != version)
    with pytest.raises(ValueError, match=r"interval|period"):
        other.model_validate(resource)


def hub_config(folder, port: int):
    path = folder / "hub.toml"
    path.write_text(f"[mqtt]\nport = {port}\n")
    return path


@contextmanager
def bridge(tmp_path, port: int, target: str, *options: str):
    """Run the command in a process of its own; yield its log lines."""
    config = hub_config(tmp_path, port)
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
def bridge_thread(tmp_path, port: int, target: str):
    """Run the bridge in a thread; yield its log lines."""
    log_lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    handler, stops = logging.Handler(), []
    handler.emit = lambda record: log_lines.put(record.getMessage())
    logger = logging.getLogger("edge.fhir.bridge")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    arguments = (hub_config(tmp_path, port), target, "R4B", stops.append)
    with ThreadPoolExecutor(1) as pool:
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
        return [json.loads(path.read_text()) for path in sorted(folder.glob("radar-0001/*.json"))]

    with Link(mosquitto_port) as link:
        with bridge_thread(tmp_path, mosquitto_port, str(folder)):
            publisher = connected(link.port, tmp_path, mmecg)
            publisher.vitals(GOOD)
            wait(lambda: len(found()) == 1)
        link.bytes_per_s = 10.0  # the link stalls, so the next message arrives as backfill, which the broker keeps
        publisher.vitals(moving)
        link.cut()
        link.bytes_per_s = float("inf")
        wait(lambda: publisher.outbox.count().spool.messages == 0)
        publisher.close()
    with bridge(tmp_path, mosquitto_port, str(folder), "--fhir", "R5"):
        wait(lambda: len(found()) == 2)
    rates = [resource.get("valueQuantity", {}).get("value") for resource in found()]
    assert sorted(rates, key=str) == [64.0, None]
    for resource in found():
        MODELS["R5"].model_validate(resource)


def test_an_invalid_message_is_set_aside_and_does_not_block_the_others(mosquitto_port, tmp_path, mmecg):
    with bridge_thread(tmp_path, mosquitto_port, str(tmp_path / "out")) as log_lines:
        stranger = paho.Client(paho.CallbackAPIVersion.VERSION2)
        stranger.connect("127.0.0.1", mosquitto_port)
        stranger.loop_start()
        evil = p.encode(msgspec.structs.replace(VALID, boot="../../x"))
        bad_boot = p.encode(msgspec.structs.replace(VALID, boot="5f0c6a9e\n"))
        late = p.encode(msgspec.structs.replace(VALID, t_ns=10**30))
        endless = p.encode(ECG).replace(b'"fs":200', b'"fs":0')
        own = VALID.device
        deep = b'{"schema":"radarecg.vitals/1","clock":{"x":' + b"[" * 100_000
        long = p.encode(VALID).replace(b'"seq":7', b'"seq":' + b"7" * 300)
        bad = (b"\x00", b"{}", evil, b'{"schema":"radarecg.vitals/1","device":"\xff"}', bad_boot, late, endless, deep)
        bad = (*bad, long, b"", p.encode(msgspec.structs.replace(VALID, t_ns=253_370_764_800_000_000_000)))
        for payload in bad:
            stranger.publish(f"radarecg/v1/{own}/vitals", payload, qos=1)
        stranger.publish("radarecg/v1/radar-0002/vitals", p.encode(VALID), qos=1)  # from another device
        stranger.publish(f"radarecg/v1/{own}/vitals", p.encode(VALID), qos=1).wait_for_publish()
        wait(lambda: list(tmp_path.glob("out/*/*.json")))
        stranger.disconnect()
        stranger.loop_stop()
        lines = [log_lines.get(timeout=30) for _ in range(2)]  # the first of each topic
    lines.append(log_lines.get(timeout=30))
    assert all("to an Observation: " in line for line in lines[:2])
    assert f"its payload names another device, {own}" in lines[1]
    assert f"1 Observations stored, {len(bad) + 1} (unreadable message) refused, 0 messages wait" in lines[2]
    letters = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("fhir-dead-letters/*.json"))]
    assert [base64.b64decode(letter["payload_base64"]) for letter in letters] == [*bad, p.encode(VALID)]
    assert {letter["status"] for letter in letters} == {"unreadable message"}
    assert "recursion" in letters[bad.index(deep)]["answer"].lower()
    assert [path.name for path in tmp_path.glob("out/*/*.json")] == ["5f0c6a9e-7.json"]


class Server(http.server.ThreadingHTTPServer):
    """Answers with the next of `answers`, then with 201; records the requests."""

    def __init__(self, answers: list[int]) -> None:
        self.answers, self.sent = answers, []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.answers.pop(0) if self.server.answers else 201
        self.server.sent.append((answer, json.loads(body), dict(self.headers)))
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_observations_are_retried_until_stored(mosquitto_port, tmp_path, mmecg):
    with Server([503, 422]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with bridge_thread(tmp_path, mosquitto_port, f"http://127.0.0.1:{server.server_port}/Observation") as log_lines:
            publisher = connected(mosquitto_port, tmp_path, mmecg)
            publisher.vitals(GOOD)
            publisher.vitals(GOOD)
            wait(lambda: len(server.sent) == 3)
            assert "503" in log_lines.get(timeout=30)
            assert "422" in log_lines.get(timeout=30)
            publisher.close()
        server.shutdown()
    (_, first, headers), (_, again, _), (created, second, _) = server.sent
    assert first == again  # retried after 503; 422 is final
    assert (created, second["identifier"] != first["identifier"]) == (201, True)
    assert headers["Content-Type"] == "application/fhir+json"
    assert headers["If-None-Exist"] == f"identifier=urn:radarecg:message|{first['identifier'][0]['value']}"


def test_an_unusable_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="nor a URL"):
        folder_store(str(tmp_path / "file"))
