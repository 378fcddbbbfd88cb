"""Messages published through a real broker while the data are bad: in order, and without wrong valid rates."""

import json
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest

from edge.inference.loader import BACKENDS, load_network
from edge.mqtt.info import NO_NETWORK, NetworkState
from edge.mqtt.payloads import Model
from edge.pipeline import Pipeline, run
from edge.runtime.config import Config, RadarConfig
from edge.runtime.model_swap import SwappableNetwork
from tests.edge.runtime.test_operations import running
from tests.helpers.brokers import Listener, free_port
from tests.helpers.bundles import another
from tests.helpers.chain import SECOND_NS, Given
from tests.helpers.ladders import TENSORRT, stand_in_for_tensorrt, write_engine
from tests.helpers.publishing import connected, wait
from tests.helpers.web import get

BPM, RATE_HZ, SECONDS = 70, 100, 26
START_NS = 1_795_196_400 * SECOND_NS
LIVE, LATER = "radarecg/v1/radar-0001/vitals", "radarecg/v1/radar-0001/backfill/vitals"


@pytest.fixture(scope="module")
def chirp(mmecg_100):
    return mmecg_100


@pytest.fixture(scope="module")
def sitting(person):
    """The first SECONDS of a person who sits still."""
    return [replace(frame, t_ns=START_NS + frame.t_ns) for frame in person[: SECONDS * RATE_HZ]]


@pytest.fixture
def published(chirp, tmp_path, mosquitto_port, monkeypatch):
    """Return the vitals that a subscriber receives for a stream, live or later, in the order of `seq`.

    The host's clock follows the stream; a None takes 0.1 s.
    """

    def publish(stream, network=None):
        now_ns = [START_NS]
        monkeypatch.setattr("edge.pipeline.time.time_ns", lambda: now_ns[0])
        monkeypatch.setattr("edge.pipeline.time.monotonic_ns", lambda: now_ns[0])

        def timed():
            for frame in stream:
                now_ns[0] = frame.t_ns if frame else now_ns[0] + SECOND_NS // 10
                yield frame

        listener = Listener(mosquitto_port)
        who = NetworkState(Model("x")) if network else NO_NETWORK
        publisher = connected(mosquitto_port, tmp_path, chirp, network=who, backfill_per_s=1000.0)
        run(Given(chirp, timed()), Pipeline(chirp, lambda: True, network=network), publisher)
        wait(lambda: publisher.outbox.count().spool.messages == 0)
        publisher.close()
        listener.wait_for("/status", matching=lambda message: b"offline" in message.payload)
        listener.close()
        vitals = {}
        for message in listener.received:
            if message.topic in (LIVE, LATER):
                payload = json.loads(message.payload)
                vitals[payload["seq"]] = payload
        messages = [vitals[seq] for seq in sorted(vitals)]
        for one in messages:
            assert one["hr"]["valid"] == (one["hr"]["value"] is not None)
            if one["hr"]["valid"]:
                assert one["hr"]["value"] == pytest.approx(BPM, abs=7)
        return messages

    return publish


def valid(vitals) -> list[bool]:
    return [one["hr"]["valid"] for one in vitals]


def flags(vitals) -> set[str]:
    return {flag for one in vitals for flag in one["quality"]["flags"]}


def later(frame, seconds: float):
    return replace(frame, t_ns=frame.t_ns + round(seconds * SECOND_NS))


@pytest.mark.parametrize("hours", [3, pytest.param(-5, marks=pytest.mark.slow)])
def test_a_clock_that_is_set(sitting, published, hours):
    at = 18 * RATE_HZ
    seen = published([*sitting[:at], *(later(frame, 3600 * hours) for frame in sitting[at:])])
    assert len(seen) == SECONDS - 1
    assert all(valid(seen)[16:])  # the rates do not depend on the time of day
    assert "stale" not in flags(seen)
    steps_ns = np.diff([one["t_ns"] for one in seen])
    assert sum(abs(step - SECOND_NS) > SECOND_NS // 2 for step in steps_ns.tolist()) == 1
    assert seen[-1]["t_ns"] == pytest.approx(sitting[-1].t_ns + 3600 * hours * SECOND_NS, abs=2 * SECOND_NS)


def test_a_clock_that_is_set_while_the_radar_is_silent(sitting, published):
    at = 16 * RATE_HZ
    seen = published([*sitting[:at], *[None] * 40, *(later(frame, -7200) for frame in sitting[at:])])
    assert valid(seen)[15]
    assert all("stale" in one["quality"]["flags"] for one in seen[16:19])
    # The history before the pause was discarded: there is no rate before 4 s of new history.
    assert all("warming_up" in one["quality"]["flags"] for one in seen[19:23])
    assert len(seen) >= SECONDS + 2


@pytest.mark.parametrize("value", [np.nan, pytest.param(np.inf, marks=pytest.mark.slow)])
def test_frames_that_are_not_finite(sitting, published, value):
    def spoilt(frame):
        iq = frame.iq.copy()
        iq[0, 0, 0, 3] = value
        return replace(frame, iq=iq)

    bad = range(16 * RATE_HZ, 18 * RATE_HZ)
    seen = published([spoilt(frame) if frame.seq in bad else frame for frame in sitting])
    assert valid(seen)[14]
    assert not any(valid(seen)[16:25])  # and then it warms up
    assert "frame_loss" in flags(seen[17:])
    assert seen[-1]["frames"]["lost"] == len(bad)
    assert "warming_up" in flags(seen[-3:])  # the chest was found again


def test_a_radar_that_pauses_and_resumes(sitting, published):
    silent_s = 8
    back = [replace(later(frame, 16 + silent_s), seq=frame.seq) for frame in sitting]  # the card restarts its count
    seen = published([*sitting[: 16 * RATE_HZ], *[None] * (10 * silent_s), *back])
    assert valid(seen)[15]
    silent, after = seen[16 : 15 + silent_s], seen[16 + silent_s :]
    assert not any(valid(silent))
    assert all("stale" in one["quality"]["flags"] for one in silent)
    assert silent[-1]["quality"]["flags"][:2] == ["radar_fault", "stale"]
    assert not any(valid(after)[:4])
    assert valid(after)[-1]
    assert "stale" not in flags(after[2:])


def test_network_outputs_that_are_not_finite(sitting, published, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("edge.inference.loader.run_self_test", lambda *_: None)  # past every check
    network = load_network(another(tmp_path / "bad", nan_between=(-1.0, 2.0)))
    seen = published(sitting, network.begin)
    assert not any(valid(seen)[14:])
    assert seen[-1]["quality"]["flags"] == ["model_uncertain"]
    assert caplog.text.count("the network outputs are not finite") == 1


class Failing:
    """The shipped network, which fails from its fifth window on."""

    def __init__(self, failure: Exception | None) -> None:
        self._network, self._failure, self._windows = load_network(), failure, 0

    def __call__(self, values):
        self._windows += 1
        if self._windows > 4 and self._failure:
            raise self._failure
        outputs = self._network.predict(values)
        return [replace(one, cycle=one.cycle * np.nan) for one in outputs] if self._windows > 4 else outputs


def fail_in_flight(backend: str, failure: Exception | None):
    """Replace a backend by one that raises, or without a failure returns NaN."""

    def replace_backend(_engine, patch):
        failing = Failing(failure)
        patch.setitem(BACKENDS, backend, lambda *_: (failing, None))

    return replace_backend


def without_driver(_engine, patch) -> None:
    patch.setitem(sys.modules, "pycuda.driver", None)


NETWORK_FAULTS = {
    "engine absent": (lambda engine, _: engine.unlink(), "tensorrt-fp32"),
    "engine of another GPU": (lambda engine, _: write_engine(engine, multiprocessors=16), "tensorrt-fp32"),
    "wrong numbers": (lambda engine, _: write_engine(engine, wrong=True), "tensorrt-fp32"),
    "driver absent": (without_driver, "onnxruntime"),
    "a session that raises": (fail_in_flight("tensorrt", RuntimeError("illegal address")), "onnxruntime"),
    "NaN in flight": (fail_in_flight("tensorrt", None), "onnxruntime"),
    "NaN in flight on the CPU, driver absent": (
        lambda *where: [fault(*where) for fault in (without_driver, fail_in_flight("onnxruntime", None))],
        "none",
    ),
}


FURTHER = {"engine absent", "engine of another GPU", "wrong numbers", "driver absent", "NaN in flight"}
"""The default tests of the ladder have the first three, without the broker; the last row here has the others."""


@pytest.mark.parametrize(
    "fault",
    [pytest.param(each, marks=pytest.mark.slow if each in FURTHER else ()) for each in NETWORK_FAULTS],
)
def test_a_network_that_fails_steps_down_and_the_heart_rate_continues(sitting, published, tmp_path, monkeypatch, fault):
    spoil, rung = NETWORK_FAULTS[fault]
    stand_in_for_tensorrt(monkeypatch)
    write_engine(tmp_path / "x.engine")
    write_engine(tmp_path / "x-fp32.engine", "fp32")
    spoil(tmp_path / "x.engine", monkeypatch)
    config = Config(device="radar-0001", radar=RadarConfig(cfg="x"), network=TENSORRT)
    network = SwappableNetwork(config, tmp_path / "radarecg.toml")
    seen = published(sitting, network.begin)
    assert network.active.rung == rung
    assert valid(seen)[-1]
    assert ("network_failed" in seen[-1]["quality"]["flags"]) == (rung == "none")
    assert (seen[-1]["model"]["id"] == "classical-1") == (rung == "none")


def test_the_process_through_a_silent_radar_and_a_kill(tmp_path, mosquitto_port, cfg_50):
    """`radarecg run` and the twin as processes; the twin stops for a while, then the runtime is killed."""
    path, web_port, data_port = tmp_path / "radarecg.toml", free_port(), free_port()
    path.write_text(
        f'device = "radar-0001"\n[radar]\ncfg = "{cfg_50}"\ndata_host = "127.0.0.1"\ndata_port = {data_port}\n'
        f"[mqtt]\nport = {mosquitto_port}\n[web]\nport = {web_port}\n"
    )
    hub = Listener(mosquitto_port)

    def until(matching, topic="radar-0001/vitals"):
        return json.loads(hub.wait_for(topic, matching=lambda message: matching(json.loads(message.payload))).payload)

    with running("twin", "--cfg", cfg_50, "--port", data_port, "--truth-port", free_port()) as twin:
        with running("run", "--config", path) as runtime:
            first = until(lambda vitals: vitals["frames"]["received"] > 50)
            wait(lambda: get(web_port, "/healthz")[0] == 200)
            twin.send_signal(signal.SIGSTOP)
            until(lambda vitals: vitals["quality"]["flags"][:2] == ["radar_fault", "stale"])
            wait(lambda: get(web_port, "/healthz")[0] == 503)
            twin.send_signal(signal.SIGCONT)
            until(lambda vitals: "stale" not in vitals["quality"]["flags"])
            wait(lambda: get(web_port, "/healthz")[0] == 200)
            runtime.send_signal(signal.SIGKILL)
            runtime.wait()
        gone = until(lambda status: status["state"] == "offline", "/status")
        assert (gone["boot"], gone["reason"]) == (first["boot"], "connection_lost")
        with running("run", "--config", path):
            again = until(lambda vitals: vitals["boot"] != first["boot"])
            assert not again["hr"]["valid"]
    hub.close()
    for message in hub.received:
        if message.topic == LIVE and "stale" in (vitals := json.loads(message.payload))["quality"]["flags"]:
            assert vitals["hr"] | {"age_ms": 0} == vitals["hr"] | {"valid": False, "value": None, "age_ms": 0}
