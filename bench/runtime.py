"""Measures CPU, memory and latency of `radarecg run` on both emulated boards at 200 frames/s.

    pip install -e '.[dev]' && apt-get install mosquitto && python bench/runtime.py [--seconds 600]

Runs the processes that a user runs: mosquitto, `radarecg twin --card`, `radarecg run` (which starts the boards,
reconstructs the ECG and serves the page), one open page, and a subscriber. Measures from the first block of the heart
waveform on: the runtime's share of one core, its peak memory, and the latency from a frame's last packet (the kernel's
time stamp) to the arrival of its results at the subscriber. The load shows how busy the machine was. Last line: JSON.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.demo.processes import Child, free_port, start, start_broker
from edge.demo.subscriber import Subscriber

DEVICE = "radar-0001"
CFG = Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg"
CARD, HOST = "127.0.0.3", "127.0.0.1"
RADARECG = [sys.executable, "-m", "edge"]
PATIENCE_S = 120.0
AIMS = {"cpu_share": 0.25, "latency_ms_p99": 100.0}


def start_twin(stack: ExitStack, folder: Path, card: Path, data_port: int, truth_port: int) -> str:
    """Starts both boards; yields the radar's serial port."""
    options = ["--card", str(card), "--port", str(data_port), "--truth-port", str(truth_port)]
    twin = start(stack, "twin", [*RADARECG, "twin", "--cfg", str(CFG), *options], folder)
    end_s = time.monotonic() + PATIENCE_S
    while not (ports := [line for line in (folder / "twin.log").read_text().splitlines() if line.startswith("/dev/")]):
        twin.require_alive()
        if time.monotonic() > end_s:
            sys.exit("the twin does not start")
        time.sleep(0.1)
    return ports[0]


def start_runtime(
    stack: ExitStack, folder: Path, mqtt_port: int, web_port: int, truth_port: int, radarecg: Sequence[str] = RADARECG
) -> Child:
    """Starts the boards and the runtime, the latter with the command `radarecg`."""
    card, settings = folder / "card.toml", folder / "radarecg.toml"
    card.write_text(
        f'card_address = "{CARD}"\nhost_address = "{HOST}"\ncontrol_port = {free_port(socket.SOCK_DGRAM)}\n'
    )
    data_port = free_port(socket.SOCK_DGRAM)
    serial = start_twin(stack, folder, card, data_port, truth_port)
    settings.write_text(
        f'device = "{DEVICE}"\n[radar]\ncfg = "{CFG}"\nserial = "{serial}"\ncard = "{card}"\ndata_host = "{HOST}"\n'
        f"data_port = {data_port}\n[mqtt]\nport = {mqtt_port}\n[web]\nport = {web_port}\n"
    )
    return start(stack, "runtime", [*radarecg, "run", "--config", str(settings)], folder)


def look_at_page(port: int) -> None:
    """Reads the page like a browser, as long as it is served."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
    connection.request("GET", "/events")
    for _ in connection.getresponse():
        pass


def received(subscriber: Subscriber) -> int:
    """Complete frames, from the latest vitals."""
    vitals = subscriber.watch.vitals
    return vitals.frames.received if vitals else 0


def cpu_s(child: Child) -> float:
    """Returns the CPU time of the process so far (proc(5): user and system time are fields 14 and 15)."""
    fields = Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(seconds: float) -> dict[str, float | None]:
    """Runs everything and returns the figures."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        broker, mqtt_port = start_broker(stack, folder)
        web_port, truth_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        runtime = start_runtime(stack, folder, mqtt_port, web_port, truth_port)
        subscriber = Subscriber(DEVICE, mqtt_port, truth_port)
        stack.callback(subscriber.close)
        watch = subscriber.watch
        end_s = time.monotonic() + PATIENCE_S
        while not watch.trace:
            runtime.require_alive()
            if time.monotonic() > end_s:
                sys.exit("no heart waveform came")
            subscriber.update(0.1)
        threading.Thread(target=look_at_page, args=(web_port,), daemon=True).start()
        watch.latencies_ms.clear()
        start_s, before_s, frames = time.monotonic(), cpu_s(runtime), received(subscriber)
        while (elapsed_s := time.monotonic() - start_s) < seconds:
            runtime.require_alive()
            subscriber.update(0.1)
            if sys.stderr.isatty():
                print(f"\r{elapsed_s:.0f} of {seconds:.0f} s", end="", file=sys.stderr)
        taken_s = cpu_s(runtime) - before_s
        frames, usage = received(subscriber) - frames, runtime.stop()
        lost = watch.vitals.frames.lost if watch.vitals else None
        print(f"\n{broker.name}; {frames / elapsed_s:.0f} frames/s, {lost} lost; {watch.messages} messages")
        print(f"load of the machine over 1, 5 and 15 minutes: {os.getloadavg()}")
    return {
        "cpu_share": round(taken_s / elapsed_s, 3),
        "rss_mb": round(usage.peak_rss_mb, 1) if usage else None,
        "latency_ms_p50": watch.latency_ms(50),
        "latency_ms_p99": watch.latency_ms(99),
    }


def main() -> None:
    """Prints a table, and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    figures = measure(parser.parse_args().seconds)
    for name, value in figures.items():
        aim = f"   aim: less than {AIMS[name]:g}" if name in AIMS else ""
        print(f"{name:>16}  {value}{aim}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
