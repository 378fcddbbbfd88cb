"""Checks that a hub loses nothing of a fleet of devices, and measures what it costs.

    python bench/fleet.py [--devices 200] [--bridges 1] [--seconds 40]   # with a broker restart and a killed bridge
    python bench/fleet.py --rise [--bridges 1]                           # more and more devices, up to the limit

Runs mosquitto with the settings of deploy/hub, simulated devices (fleet_devices.py), `radarecg fhir-bridge` once or up
to four times, the ward page, and a plain subscriber, which only counts. `--real` of the devices (default 10) are
complete: certificate, connection, outbox and spool file of their own; the others share connections without a
certificate, and have their spool in memory. All publish what real devices do, at the real rates.

A third through, the broker is restarted; two thirds through, a bridge is killed (SIGKILL) and started again. Every
vitals, ECG and event message that a device accepted must reach the subscriber, and all vitals and ECG a bridge: they
are counted by device, boot and seq. The exit status is 1 if one is missing. `ratio_vs_plain_subscriber`: messages per
second of processor time of the bridges, relative to the plain subscriber's. Latencies are those of live vitals, from
the time stamp to the subscriber. Prints a table; the last line is JSON: with --rise, of the largest number of devices
without loss, with a p99 below MAX_P99_MS and with devices that are late by less than MAX_LATE_S. If even the first
number is too many, the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from fleet_bridges import stored_observations
from fleet_hub import HAS_WARD, Hub, Program, Usage, read_json, wait

WORKERS = 2
BROKER_PAUSE_S, BRIDGE_PAUSE_S = 3.0, 1.0
DRAIN_TIMEOUT_S = 60.0
SETTLED_S = 3.0
RISE_S = 15.0
MAX_P99_MS, MAX_LATE_S = 1000.0, 1.0


class Load(NamedTuple):
    """What a round runs."""

    devices: int
    real: int
    bridges: int
    seconds: float
    has_ward: bool
    has_faults: bool


def start_devices(hub: Hub, load: Load, folder: Path) -> list[tuple[Program, Path]]:
    """Start the processes of the devices; return each with the file of what it accepted."""
    names = [f"radar-{k:05d}" for k in range(1, load.real + 1)]
    parts = [(1, load.real, ("--port", str(hub.device_port), "--spool", str(folder / "spools")))]
    parts[0] = (*parts[0][:2], (*parts[0][2], "--certificates", str(hub.certify(names))))
    (folder / "spools").mkdir()
    shared = load.devices - load.real
    for k in range(WORKERS):
        first, end = (load.real + 1 + shared * part // WORKERS for part in (k, k + 1))
        parts.append((first, end - first, ("--port", str(hub.open_port))))
    started = []
    for first, count, options in parts:
        if count:
            result = folder / f"devices-{first}.json"
            span = ("--first", str(first), "--devices", str(count), "--seconds", str(load.seconds))
            command = ("bench/fleet_devices.py", *span, *options, "--accepted", str(result))
            started.append((hub.start(f"devices-{first}", *command), result))
    return started


def inject_faults(hub: Hub, load: Load) -> None:
    """Restart the broker after a third of the time, kill a bridge after two thirds."""
    start_s = time.monotonic()
    time.sleep(load.seconds / 3)
    hub.restart_broker(BROKER_PAUSE_S)
    time.sleep(max(0.0, start_s + load.seconds * 2 / 3 - time.monotonic()))
    if hub.bridges:
        hub.bridges[0].kill()
        time.sleep(BRIDGE_PAUSE_S)
        hub.bridges[0].start()


def settle(hub: Hub, counter: Path) -> None:
    """Wait until nothing arrives any more and the bridges have stored everything, at most DRAIN_TIMEOUT_S."""
    deadline_s, before, since_s = time.monotonic() + DRAIN_TIMEOUT_S, None, time.monotonic()
    while time.monotonic() < min(deadline_s, since_s + SETTLED_S):
        time.sleep(0.5)
        now = (counter.read_text() if counter.exists() else "", hub.waiting_in_bridges())
        if now != before or now[1]:
            before, since_s = now, time.monotonic()


def run_round(load: Load) -> dict:
    """Run the hub with this load; return the figures."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        hub = Hub(stack, folder)
        result = folder / "subscriber.json"
        subscriber = hub.start_subscriber(result)
        hub.start_bridges(load.bridges)
        ward = [hub.start_ward()] if load.has_ward else []
        wait(Path(f"{result}.count").exists, "the subscriber")
        start_s = time.monotonic()
        devices = start_devices(hub, load, folder)
        if load.has_faults:
            inject_faults(hub, load)
        for program, _ in devices:
            program.process.wait()
        seconds = time.monotonic() - start_s
        settle(hub, Path(f"{result}.count"))
        groups = {"broker": [hub.broker], "plain subscriber": [subscriber], "bridges": hub.bridges, "ward page": ward}
        usages = {name: [program.usage() for program in programs] for name, programs in groups.items() if programs}
        for program in (*hub.bridges, subscriber):
            program.stop()
        return figures(load, [read_json(path) for _, path in devices], read_json(result), hub, usages, seconds)


def figures(
    load: Load, devices: list[dict], received: dict, hub: Hub, usages: dict[str, list[Usage]], seconds: float
) -> dict:
    """Count what is missing, and compute the summary."""
    observations, events = set(), set()
    for part in devices:
        for name, (boot, of_bridges, others) in part["accepted"].items():
            observations |= {(name, boot, seq) for seq in of_bridges}
            events |= {(name, boot, seq) for seq in others}
    arrived = {(name, boot, seq) for name, keys in received["arrived"].items() for boot, seq in keys}
    stored = stored_observations(hub) if hub.bridges else observations
    published = sum(part["summary"]["published"] for part in devices)
    bridge_cpu_s = sum(usage.cpu_s for usage in usages.get("bridges", []))
    plain = received["messages"] / received["cpu_s"]
    print(f"{load.devices} devices ({load.real} complete), {load.seconds:.0f} s:")
    for name, each in usages.items():
        cores = sum(usage.cpu_s for usage in each) / seconds
        print(f"  {name:<17} {cores:5.2f} cores  {sum(usage.rss_mb for usage in each):6.0f} MB")
    return {
        "devices": load.devices,
        "complete_devices": load.real,
        "bridges": load.bridges,
        "ward": load.has_ward,
        "messages_s": round(published / load.seconds),
        "accepted": len(observations) + len(events),
        "lost": len((observations | events) - arrived) + len(observations - stored),
        "lost_at_subscriber": len((observations | events) - arrived),
        "lost_at_bridges": len(observations - stored),
        "repeated": received["messages"] - len(arrived),
        "bytes_per_message": round(received["bytes"] / max(1, received["messages"])),
        "latency_ms_p50": round(received["p50_ms"], 1),
        "latency_ms_p99": round(received["p99_ms"], 1),
        "devices_late_s": max(part["summary"]["late_s"] for part in devices),
        "ratio_vs_plain_subscriber": round(len(stored) / bridge_cpu_s / plain, 3) if bridge_cpu_s else None,
        "cores": os.cpu_count(),
    }


def rise(load: Load) -> dict:
    """Double the devices until the machine is too slow or a message is lost; return the last good round.

    If none was good, return the first, with `limit`: what was too much.
    """
    best: dict = {}
    while True:
        now = run_round(load)
        limit = exceeded_limit(now)
        print(json.dumps(now), limit or "good", sep="\n", flush=True)
        if limit:
            return best or {**now, "limit": limit}
        best, load = now, load._replace(devices=load.devices * 2)


def exceeded_limit(summary: dict) -> str | None:
    """Return in words why this round was too much for the machine; None if it was not."""
    if summary["lost"]:
        return f"{summary['lost']} messages are lost"
    if summary["latency_ms_p99"] >= MAX_P99_MS:
        return f"latency_ms_p99 is not below {MAX_P99_MS:.0f}"
    if summary["devices_late_s"] >= MAX_LATE_S:
        return f"devices_late_s is not below {MAX_LATE_S:g}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--real", type=int, default=10, help="devices that are complete (default: %(default)s)")
    parser.add_argument("--bridges", type=int, default=1, choices=range(5))
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--ward", action=argparse.BooleanOptionalAction, default=HAS_WARD, help="run the ward page")
    parser.add_argument("--rise", action="store_true", help=f"rounds of {RISE_S:.0f} s with more and more devices")
    args = parser.parse_args()
    real = min(args.real, args.devices)
    if args.rise:
        summary = rise(Load(args.devices, real, args.bridges, RISE_S, args.ward, has_faults=False))
    else:
        summary = run_round(Load(args.devices, real, args.bridges, args.seconds, args.ward, has_faults=True))
    print(json.dumps(summary))
    return int(summary["lost"] > 0 or "limit" in summary)


if __name__ == "__main__":
    sys.exit(main())
