"""A recording of the twin replayed into a real page and to a real broker."""

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.core.errors import InputError
from edge.core.types import RawFrame
from edge.mqtt.broker import Broker
from edge.radar.iq import encode
from edge.runtime.replay_service import ReplayRequest, StretchSink, resolve_broker, serve_replay
from edge.sources.recording import Recorder, open_recording
from edge.twin.fmcw import Fmcw
from edge.twin.scene import SCENES
from tests.helpers.brokers import free_port
from tests.helpers.publishing import wait
from tests.helpers.web import GOOD, Events, ecg, get, post, vitals, wave

START_NS = 1_700_000_000_000_000_000  # long ago
SECONDS = 24


@pytest.fixture(scope="module")
def recording(iwr6843, make_once):
    """A person who sits still, at 20 frames a second."""

    def make(folder):
        with Recorder(folder, iwr6843, "studio") as recorder:
            count = round(SECONDS * iwr6843.frame_rate_hz)
            for seq, iq in enumerate(Fmcw(iwr6843, SCENES["still"]).frames(0, count)):
                t_ns = START_NS + round(seq * iwr6843.frame_period_s * 1e9)
                recorder.write(RawFrame(seq, t_ns, encode(iq, "studio"), iwr6843.frame_bytes))

    return open_recording(make_once("replayed", make))


@contextmanager
def replaying(request):
    """A replay in a thread of its own, until it is stopped."""
    stops = []
    thread = threading.Thread(target=serve_replay, args=(request, stops.append))
    thread.start()
    try:
        yield lambda: stops[0]()
    finally:
        wait(lambda: stops or not thread.is_alive())
        for stop in stops:
            stop()
        thread.join()


@contextmanager
def events_of(port):
    opened = []

    def is_served() -> bool:
        try:
            opened.append(Events(port))
        except OSError:
            return False
        return True

    wait(is_served)
    yield opened[0]
    opened[0].close()


def next_of(events, name, condition=lambda message: True) -> dict:
    while (message := events.next())["event"] != name or not condition(message):
        pass
    return message


def test_the_page_shows_the_recording_pauses_and_seeks(recording):
    port = free_port()
    with replaying(ReplayRequest(recording, port, speed=20.0)), events_of(port) as events:
        assert events.hello["is_replay"]
        second = next_of(events, "vitals", lambda v: v["chest_range_m"] is not None)
        assert second["chest_range_m"] == pytest.approx(0.46, abs=0.05)
        trace = next_of(events, "trace")
        assert START_NS / 1e6 < trace["t_ms"] < START_NS / 1e6 + SECONDS * 1e3
        assert trace["delay_ms"] < SECONDS * 1e3 * 20  # of the recording's time, not since it was recorded
        placement = next_of(events, "placement", lambda p: p["chest_range_m"] is not None)
        peak_m = placement["range_m"][int(np.argmax(placement["power_db"]))]
        assert peak_m == pytest.approx(0.46, abs=recording.chirp.range_bin_m)
        assert post(port, "/replay/pause") == (204, "")
        paused = next_of(events, "replay", lambda state: state["is_paused"])
        assert next_of(events, "replay")["position_s"] >= paused["position_s"]
        assert post(port, "/replay/seek?s=2")[0] == 204
        assert next_of(events, "replay", lambda s: s["position_s"] < 3)["is_paused"]
        assert post(port, "/replay/resume")[0] == 204
        assert not next_of(events, "trace")["continues"]
        end = next_of(events, "replay", lambda s: s["position_s"] == s["duration_s"] and s["is_paused"])
        assert end["duration_s"] == pytest.approx(SECONDS, abs=0.2)
        assert "radarecg_pages 1.0\n" in get(port, "/metrics")[2]


def test_the_messages_of_a_replay_are_marked_and_its_vitals_are_not_retained(recording, mosquitto_port):
    seen = {}
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda client, data, m: seen.setdefault(m.topic.split("/")[-1], []).append(m)
    client.on_connect = lambda client, *_: client.subscribe("radarecg/v1/#", qos=1)
    client.connect("127.0.0.1", mosquitto_port)
    client.loop_start()
    request = ReplayRequest(recording, None, Broker(port=mosquitto_port), "radar-0002", 50.0)
    serve_replay(request, lambda stop: None)  # without a page it ends with the recording
    wait(lambda: any(json.loads(m.payload)["state"] == "offline" for m in seen.get("status", ())))
    client.loop_stop()
    assert json.loads(seen["info"][-1].payload)["replayed"] is True
    seconds = [json.loads(m.payload) for m in seen["vitals"]]
    assert len(seconds) >= SECONDS - 2
    assert all(v["replayed"] for v in seconds)
    assert {m.topic for m in seen["vitals"]} == {"radarecg/v1/radar-0002/vitals"}
    assert all(START_NS <= v["t_ns"] < START_NS + SECONDS * 1e9 for v in seconds)
    retained = []
    late = Client(CallbackAPIVersion.VERSION2)
    late.on_message = lambda client, data, m: retained.append(m.topic.rpartition("/")[2])
    late.on_connect = lambda client, *_: client.subscribe("radarecg/v1/#", qos=1)
    late.connect("127.0.0.1", mosquitto_port)
    late.loop_start()
    wait(lambda: {"status", "info"} <= set(retained))
    late.loop_stop()
    assert set(retained) <= {"status", "info", "health"}


def test_a_device_name_that_no_topic_can_contain(recording):
    with pytest.raises(InputError, match="--device A/b"):
        serve_replay(ReplayRequest(recording, None, Broker(), "A/b"), lambda stop: None)


def test_a_broker_is_an_address_or_that_of_a_settings_file(tmp_path):
    assert resolve_broker("hub.local").address == "hub.local:1883"
    assert resolve_broker("10.0.0.2:1884").address == "10.0.0.2:1884"
    settings = tmp_path / "radarecg.toml"
    settings.write_text('device = "a"\n[radar]\ncfg = "x.cfg"\n[mqtt]\nhost = "broker"\nport = 8883\n')
    assert resolve_broker(str(settings)).address == "broker:8883"
    for wrong in ("hub:x", "hub:0", "no such file.toml"):
        with pytest.raises(InputError, match=re.escape(wrong)):
            resolve_broker(wrong)


class Collected:
    def __init__(self) -> None:
        self.waves, self.ecgs, self.seconds = [], [], []

    def waveform(self, wave) -> None:
        self.waves.append((wave.sample0, wave.continues))

    def ecg(self, ecg, quality) -> None:
        self.ecgs.append((ecg.sample0, ecg.window_end, ecg.continues))

    def vitals(self, vitals) -> None:
        self.seconds.append(vitals)


def test_sample_numbers_rise_over_a_seek_and_a_warm_up_is_not_shown():
    warm = [False]
    collected = Collected()
    sink = StretchSink(collected, lambda: warm[0])
    for stretch in range(2):
        sink.begin_stretch()
        warm[0] = stretch == 1
        sink.waveform(wave(0, 0, 1.0))
        sink.ecg(ecg(0, 0), GOOD)
        sink.vitals(vitals())
        warm[0] = False
        sink.waveform(replace(wave(0, 50, 1.0)))
        sink.ecg(ecg(0, 200), GOOD)
        sink.vitals(vitals())
    assert collected.waves == [(0, False), (50, True), (100, False)]
    assert collected.ecgs == [(0, 200, False), (200, 400, True), (400, 600, False)]
    assert len(collected.seconds) == 3
