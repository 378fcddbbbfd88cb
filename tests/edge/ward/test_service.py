"""Real devices' publishers, a real broker, and `radarecg ward`: what browsers and receivers of notices get."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from edge.core.types import Quality, Waveform
from edge.mqtt.broker import Broker
from edge.mqtt.topics import ECG, STATUS, VITALS, WAVEFORM
from edge.mqtt.watcher import Watcher
from edge.runtime.hub_config import load_hub_config
from edge.runtime.ward_service import serve_ward
from edge.ward.traces import Traces
from tests.conftest import ROOT
from tests.helpers.brokers import Listener, ScriptedBroker, broker_process, free_port
from tests.helpers.command_line import radarecg
from tests.helpers.disk import write_private
from tests.helpers.fhir import running_server
from tests.helpers.publishing import GOOD, connected, wait
from tests.helpers.ward import Stream, encode_vitals
from tests.helpers.web import get

BED = "radar-0001"
WEAK = replace(GOOD, heart_rate_bpm=None, quality=Quality("unusable", 0.1, ("low_snr",)))
SOON_MIN = 0.002


def settings(folder, mqtt_port: int, text: str = "") -> tuple:
    """A hub's settings file, which serves the bridge too, and the port of the ward's page."""
    path, port = folder / "hub.toml", free_port()
    path.write_text(f'[mqtt]\nport = {mqtt_port}\n[fhir]\ndead_letters = "letters"\n[ward]\nport = {port}\n{text}')
    return path, port


@contextmanager
def ward(path, port: int):
    """Runs the service in a thread until it is subscribed."""
    stops = []
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(serve_ward, path, stops.append)
        try:
            wait(lambda: ended.done() or is_healthy(port))
            assert not ended.done(), ended.exception()
            yield ended
        finally:
            for stop in stops:
                stop()
            ended.result(60)


def is_healthy(port: int) -> bool:
    try:
        return get(port, "/healthz")[0] == 200
    except OSError:
        return False


def tile(port: int) -> dict:
    return next((tile for tile in json.loads(get(port, "/tiles")[2])["tiles"] if tile["device"] == BED), {})


def test_from_the_device_to_the_browser_and_back_to_offline(mosquitto_port, tmp_path, mmecg):
    path, port = settings(tmp_path, mosquitto_port)
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    with ward(path, port):
        wait(lambda: tile(port).get("device"))  # by its retained status
        events = Stream(port, "/events")
        assert events.next()["event"] == "hello"
        publisher.vitals(replace(GOOD, heart_rate_bpm=71.4))
        update = events.next(lambda message: message["tiles"] and message["tiles"][0]["link"] == "live")
        assert update["tiles"][0]["heart_rate_bpm"] == 71
        publisher.close()
        update = events.next(lambda message: message["tiles"] and message["tiles"][0]["link"] == "offline")
        assert update["tiles"][0]["stopped"]
        assert "heart_rate_bpm" not in update["tiles"][0]
        events.close()
    with ward(path, port):  # the retained status is enough
        wait(lambda: tile(port).get("link") == "offline")


def test_only_the_watched_device_sends_its_waveform_to_the_hub(mosquitto_port, tmp_path, mmecg, monkeypatch):
    received, receive = [], Traces.receive

    def record(self, message) -> None:
        received.append(message.suffix)
        receive(self, message)

    monkeypatch.setattr(Traces, "receive", record)
    path, port = settings(tmp_path, mosquitto_port)
    publisher = connected(mosquitto_port, tmp_path, mmecg)

    def publish(sample0: int) -> None:
        wave = np.sin(np.arange(10.0))
        publisher.waveform(Waveform(GOOD.t_ns, sample0, 50, wave, continues=True))
        publisher.vitals(GOOD)

    with ward(path, port):
        publish(0)
        wait(lambda: VITALS.suffix in received)
        assert WAVEFORM.suffix not in received
        wait(lambda: tile(port).get("device"))
        stream = Stream(port, f"/tiles/{BED}/trace")
        ended = threading.Event()

        def repeat() -> None:
            k = 1
            while not ended.wait(0.1):
                publish(10 * k)
                k += 1

        thread = threading.Thread(target=repeat)
        thread.start()
        trace = stream.next(lambda message: message["event"] == "trace")
        assert (trace["of"], trace["rate_hz"], len(trace["samples"])) == ("waveform", 50, 10)
        assert trace["samples"] == pytest.approx(np.sin(np.arange(10.0)), abs=1e-3)
        assert trace["t_ms"] == pytest.approx(GOOD.t_ns / 1e6 - 180)
        assert stream.next(lambda message: message["event"] == "vitals")["heart_rate_bpm"] == 64
        stream.close()
        wait(lambda: received[-5:] == [VITALS.suffix] * 5)  # it came with every one before
        ended.set()
        thread.join()
    publisher.close()


def test_notices_are_sent_to_a_webhook_and_over_mqtt(mosquitto_port, tmp_path, mmecg):
    write_private(tmp_path / "hook", "token-of-the-hook\n")
    listener = Listener(mosquitto_port, "radarecg-hub/#")
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    with running_server(503) as server:  # the first attempt fails
        path, port = settings(
            tmp_path,
            mosquitto_port,
            f'name = "ward-3"\nmqtt_notices = true\n[ward.notices]\nno_rate_min = {SOON_MIN}\n'
            f'[ward.webhook]\nurl = "{server.url}"\ntoken_file = "hook"\n',
        )
        with ward(path, port):
            publisher.vitals(WEAK)
            began = json.loads(listener.wait_for("radarecg-hub/v1/ward-3/notice").payload)
            publisher.vitals(GOOD)
            ended = json.loads(listener.wait_for("radarecg-hub/v1/ward-3/notice").payload)
            assert (began["state"], ended["state"]) == ("began", "ended")
            assert began["id"] == ended["id"]
            assert (began["kind"], began["device"], began["hub"]) == ("no_rate", BED, "ward-3")
            assert began["notice"] == "Not a clinical alarm. Research use only."
            wait(lambda: len(server.requests) == 3)
    first, again, last = server.requests
    assert first.resource == again.resource == began
    assert last.resource == ended
    assert first.headers["Authorization"] == "Bearer token-of-the-hook"
    listener.close()
    publisher.close()


def test_without_its_broker_the_hub_claims_nothing(tmp_path):
    mqtt_port = free_port()
    path, port = settings(tmp_path, mqtt_port, f"[ward.notices]\noffline_min = {SOON_MIN}\n")
    with broker_process("mosquitto", tmp_path, mqtt_port) as broker, ward(path, port):
        listener = Listener(mqtt_port)
        listener._client.publish(VITALS.name(BED), encode_vitals(BED, 1, time.time(), 60.0)).wait_for_publish(60)
        wait(lambda: tile(port).get("link") == "live")
        listener.close()
        broker.kill()
        wait(lambda: json.loads(get(port, "/tiles")[2])["broker_lost_ms"])
        assert get(port, "/healthz")[::2] == (503, "not connected to the broker\n")
        wait(lambda: tile(port).get("link") == "silent")
        assert json.loads(get(port, "/tiles")[2])["notices"] == []
        with broker_process("mosquitto", tmp_path, mqtt_port):
            wait(lambda: is_healthy(port))
            wait(lambda: json.loads(get(port, "/tiles")[2])["notices"])  # now it is known to be offline


def test_a_refused_subscription_is_reported(caplog):
    with ScriptedBroker(subacks=(0x87,)) as broker:
        watcher = Watcher(Broker(port=broker.port), "radarecg-ward-1", (STATUS, VITALS), print)
        wait(lambda: "refuses a subscription" in caplog.text)
        assert not watcher.is_subscribed
        watcher.close()


def test_watched_topics_are_subscribed_again_after_a_reconnection():
    with ScriptedBroker() as broker:
        watcher = Watcher(Broker(port=broker.port), "radarecg-ward-1", (STATUS, VITALS), print)
        wait(lambda: watcher.is_subscribed)
        watcher.watch(BED, (ECG, WAVEFORM))
        wait(lambda: len(broker.subscribed) == 2)
        assert broker.subscribed[0] == ["radarecg/v1/+/status", "radarecg/v1/+/vitals"]
        assert set(broker.subscribed[1]) == {f"radarecg/v1/{BED}/ecg", f"radarecg/v1/{BED}/waveform"}
        broker._sockets[-1].shutdown(socket.SHUT_RDWR)
        wait(lambda: len(broker.subscribed) == 4)
        assert set(broker.subscribed[3]) == set(broker.subscribed[1])
        watcher.close()
    with pytest.raises(OSError, match="not connected"):
        watcher.publish(VITALS, BED, b"", 1.0)


def test_the_command_starts_and_stops(mosquitto_port, tmp_path):
    path, port = settings(tmp_path, mosquitto_port)
    command = [sys.executable, "-m", "edge", "ward", "--config", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ) as process:
        try:
            wait(lambda: is_healthy(port))
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            log = process.stderr.read()
        finally:
            process.kill()
    assert f"ward view at http://127.0.0.1:{port}/" in log
    assert "service started" in log


def test_a_page_open_to_a_network_without_tokens_is_refused(tmp_path):
    path, _ = settings(tmp_path, free_port(), 'host = "0.0.0.0"\n')
    done = radarecg("ward", "--config", path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("radarecg: error: ward.host is 0.0.0.0")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("prot = 1\n", "prot"),
        ('name = "Ward 3"\n', r"\$\.ward\.name"),
        ("[ward.notices]\nabsent_min = -1\n", r"\$\.ward\.notices\.absent_min"),
        ("[ward.notices]\nno_rate_min = nan\n", r"\$\.ward\.notices\.no_rate_min"),
        ('[ward.admin_tokens]\n"Mrs Smith" = "x"\n', r"admin_tokens"),
        ("[ward.webhook]\n", "url"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path, text, key):
    path, _ = settings(tmp_path, 1883, text)
    with pytest.raises(ValueError, match=rf"hub\.toml: .*{key}"):
        load_hub_config(path, {})
