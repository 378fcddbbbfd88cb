"""Measures the bytes and messages that a device costs a hub, and computes what a fleet needs.

    python bench/hub_size.py [--people 20] [--seconds 600] [--devices 100 10000 1000000]

Made-up people (fleet_people.py) go through the device's real publisher; counted are the MQTT packets that it would
send: topic, properties and payload, without TCP/IP and TLS. With influxd installed (Debian: influxdb), the vitals are
also stored there as deploy/hub/telegraf.conf does, and the size on disk is measured. Prints tables; the last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fleet_devices import CFG, sharing_publisher
from fleet_people import Person
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.demo.processes import free_port
from edge.mqtt.limits import publish_packet_bytes
from edge.mqtt.outbox import OutboxCount
from edge.mqtt.spool import SpoolCount
from edge.mqtt.topics import VITALS, Topic
from edge.radar.chirp_file.parser import load_chirp
from tests.helpers.telegraf import Telegraf

DAY_S = 86_400
START_NS = 1_795_867_200_000_000_000
ROOT = Path(__file__).parents[1]


class Meter:
    """Takes the place of a fleet's socket: counts packets by topic, and keeps the vitals."""

    client = None

    def __init__(self) -> None:
        self.packets: dict[str, int] = defaultdict(int)
        self.bytes: dict[str, int] = defaultdict(int)
        self.vitals: list[tuple[str, bytes]] = []

    def join(self, device: str, will: tuple, birth: list) -> None:
        """A device connects; its first messages are not counted."""

    def send(self, device: str, topic: Topic, payload: bytes) -> None:
        packed = Properties(PacketTypes.PUBLISH)
        if topic.expiry_s:
            packed.MessageExpiryInterval = topic.expiry_s
        name = topic.name(device)
        self.packets[topic.suffix] += 1
        self.bytes[topic.suffix] += publish_packet_bytes(name, payload, topic.qos, packed)
        if topic == VITALS:
            self.vitals.append((name, payload))

    def count(self, _device: str) -> OutboxCount:
        return OutboxCount(0, SpoolCount(0, 0, 0, 0))


def measure(people: int, seconds: int) -> Meter:
    """Let this many people be measured for so long, as fast as possible."""
    meter, chirp = Meter(), load_chirp(CFG)
    meter.client = type("Client", (), {"connections": 1})()
    for number in range(1, people + 1):
        publisher, person = sharing_publisher(meter, f"radar-{number:05d}", chirp), Person(1, number)
        for second in range(seconds):
            publisher._health_due_s = 0.0 if second % 30 == 0 else float("inf")  # its clock is not the simulated one
            measured = person.measure(START_NS + second * 10**9)
            publisher.ecg(measured.ecg, measured.vitals.quality)
            publisher.vitals(measured.vitals)
            for wave in measured.waveforms:
                publisher.waveform(wave)
    return meter


def stored_bytes_per_point(meter: Meter) -> float | None:
    """Store the vitals in InfluxDB 1, whose files InfluxDB 2 has, too; return the bytes of a point on disk."""
    if shutil.which("influxd") is None:
        return None
    telegraf = Telegraf((ROOT / "deploy/hub/telegraf.conf").read_text())
    lines = [telegraf.point(name, payload).line(0) for name, payload in meter.vitals]
    with tempfile.TemporaryDirectory() as temporary:
        folder, port = Path(temporary), free_port(socket.SOCK_STREAM)
        config = folder / "influxdb.conf"
        config.write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port(socket.SOCK_STREAM)}"\n'
            f'[meta]\ndir = "{folder}/meta"\n[http]\nbind-address = "127.0.0.1:{port}"\n'
            f'[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
            'cache-snapshot-write-cold-duration = "1s"\ncompact-full-write-cold-duration = "1s"\n'
        )
        server = subprocess.Popen(["influxd", "-config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            _post(f"{url}/query?q=CREATE%20DATABASE%20radarecg", "")
            for k in range(0, len(lines), 5000):
                _post(f"{url}/write?db=radarecg", "\n".join(lines[k : k + 5000]))
            return _settled_size(folder / "data/radarecg") / len(lines)
        finally:
            server.kill()
            server.wait()


def _post(url: str, data: str) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, data.encode(), method="POST"), timeout=60).close()
            return
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)


def _settled_size(folder: Path) -> int:
    """Return the bytes of the compacted files, once they no longer change."""
    size, since_s = -1, time.monotonic()
    while time.monotonic() < since_s + 8:
        time.sleep(0.5)
        now = sum(path.stat().st_size for path in folder.rglob("*.tsm"))
        if now != size or not now:
            size, since_s = now, time.monotonic()
    return size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--devices", type=int, nargs="+", default=[100, 10_000, 1_000_000])
    args = parser.parse_args()
    meter, device_s = measure(args.people, args.seconds), args.people * args.seconds
    topics = {
        suffix: {"bytes": round(meter.bytes[suffix] / count), "per_s": round(count / device_s, 4)}
        for suffix, count in meter.packets.items()
    }
    messages_s, bytes_s = (sum(counts.values()) / device_s for counts in (meter.packets, meter.bytes))
    kept_s = sum(meter.bytes[name] for name in ("vitals", "event")) / device_s
    point = stored_bytes_per_point(meter)
    print("topic        bytes  messages/s of a device")
    for suffix, each in sorted(topics.items()):
        print(f"{suffix:<10} {each['bytes']:7d}  {each['per_s']:.4f}")
    print(f"\na device: {messages_s:.2f} messages/s, {bytes_s:.0f} bytes/s, {bytes_s * DAY_S / 1e6:.0f} MB a day")
    print(f"without ECG and waveform: {kept_s:.0f} bytes/s, {kept_s * DAY_S / 1e6:.1f} MB a day")
    if point:
        print(f"a second of vitals in InfluxDB: {point:.1f} bytes, {point * DAY_S / 1e6:.2f} MB a day")
    print("\n  devices  messages/s     Mbit/s   TB a day")
    for devices in args.devices:
        mbit_s = devices * bytes_s * 8 / 1e6
        print(f"{devices:9d} {devices * messages_s:11.0f} {mbit_s:10.1f} {devices * bytes_s * DAY_S / 1e12:10.3f}")
    summary = {"topics": topics, "messages_s": round(messages_s, 3), "bytes_s": round(bytes_s)}
    print(json.dumps({**summary, "influxdb_bytes_per_second_of_vitals": point and round(point, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
