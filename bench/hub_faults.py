"""Faults of the hub's side for bench/faults.py: hostile messages, a captive portal, and clients that say nothing."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paho.mqtt.client as paho
from device_rig import ROOT, Rig
from outage import Mosquitto

from edge.demo.processes import free_port
from edge.mqtt import payloads as p
from edge.mqtt.fields import iso_utc
from edge.mqtt.topics import VITALS
from tests.helpers.fhir import Answer, running_server

RATES = 2  # Observations of each message: heart and breathing
DEVICE, MESSAGES, CLIENTS = "radar-0002", 20, 40
START_TIMEOUT_S, TIMEOUT_S = 120.0, 60.0
DEEP = b'{"schema":"radarecg.vitals/1","clock":{"x":' + b"[" * 100_000


def vitals(seq: int) -> bytes:
    """Return a message of a device."""
    t_ns = time.time_ns()
    message = p.VitalsPayload(
        device=DEVICE,
        boot="5f0c6a9e",
        clock=p.Clock("ntp", True, 1_000_000),
        model=p.Model("classical-1"),
        seq=seq,
        t=iso_utc(t_ns),
        t_ns=t_ns,
        window_s=10.0,
        hr=p.HeartRate(valid=True, value=64.2, age_ms=8),
        breathing=p.BreathingRate(valid=True, value=15.0),
        chest_range_m=0.5,
        quality=p.QualityReport("good", 0.93),
        frames=p.Frames(1, 0),
    )
    return p.encode(message)


def hostile_messages(folder: Path, _seconds: float) -> dict[str, int]:
    """A message nested 100 000 deep and one with a number of 300 digits come before good ones."""
    bad = [DEEP, vitals(1).replace(b'"seq":1', b'"seq":' + b"7" * 300)]
    with _bridge(folder, str(folder / "out")) as publish:
        for payload in (*bad, *map(vitals, range(MESSAGES))):
            publish(payload)
        return _counts(lambda: len([*folder.glob("out/*/2*/*.json")]) // RATES)


def captive_portal(folder: Path, seconds: float) -> dict[str, int]:
    """Something else answers for the FHIR server: a redirect, and 200 with a page for what it redirects to."""
    portal = Answer(302, {"Location": "/login", "Content-Type": "text/html"})
    with running_server() as server, _bridge(folder, server.url) as publish:
        server.script(itertools.repeat(portal))
        for payload in map(vitals, range(MESSAGES)):
            publish(payload)
        time.sleep(seconds)
        server.script([])
        return _counts(lambda: len(server.stored) // RATES)


def silent_clients(rig: Rig, seconds: float) -> None:
    """Clients of the page connect and send nothing; the health check must be answered meanwhile."""
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(socket.create_connection(("127.0.0.1", rig.web_port)))
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{rig.web_port}/healthz", timeout=5) as response:
                    rig.refused += response.status != 200
            except OSError:
                rig.refused += 1
            time.sleep(0.5)


HUB_FAULTS = {
    "hostile messages to the FHIR bridge": hostile_messages,
    "a captive portal instead of the FHIR server": captive_portal,
}


@contextmanager
def _bridge(folder: Path, target: str) -> Iterator[Callable[[bytes], None]]:
    """Run a broker and the FHIR bridge, which is started again whenever it ends; yield what publishes a message."""
    port, closing, children = free_port(socket.SOCK_STREAM), threading.Event(), []
    config = folder / "hub.toml"
    config.write_text(f"[mqtt]\nport = {port}\n[fhir]\nevery_s = 1\n")
    broker = Mosquitto(folder, port)
    command = [sys.executable, "-m", "edge", "fhir-bridge", target, "--config", str(config)]
    connected = threading.Event()

    def keep_running() -> None:
        while not closing.is_set():
            child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            children.append(child)
            assert child.stderr
            for line in child.stderr:
                if "connected to the broker" in line:
                    connected.set()

    keeper = threading.Thread(target=keep_running)
    keeper.start()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if not connected.wait(START_TIMEOUT_S):
            sys.exit("the FHIR bridge does not connect to the broker")
        yield lambda payload: client.publish(VITALS.name(DEVICE), payload, qos=1).wait_for_publish(TIMEOUT_S)
    finally:
        closing.set()
        client.loop_stop()
        children[-1].kill()
        keeper.join()
        broker.process.kill()


def _counts(count_stored: Callable[[], int]) -> dict[str, int]:
    """Wait for all messages; return the counts of the fault."""
    end_s = time.monotonic() + TIMEOUT_S
    while count_stored() < MESSAGES and time.monotonic() < end_s:
        time.sleep(0.1)
    stored = count_stored()
    return {"lost": MESSAGES - stored, "false_valid_s": 0, "stuck": int(stored == 0)}
