"""Simulates many devices that publish made-up values at the real rates, to test a hub.

    python bench/fleet_devices.py --devices 200 [--host 127.0.0.1] [--port 1883] [--seconds 60] [--spool FOLDER]

Each device is the real publisher (`edge.mqtt.publisher`), so topics, payloads and retained messages are those of a
device: vitals and ECG once a second, the waveform five times, events, health every 30 s, and "offline" at the end.
The measurements are those of `fleet_people.py` and depend on `--seed` only.

With `--spool`, a device has its own connection, will, outbox and spool in a file, as on the real one: three threads
each. Otherwise `--per-socket` devices share one connection and have a spool in memory: a few processors simulate
thousands. Without a broker, both keep vitals, ECG and events, and publish them on `backfill/` afterwards.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

from fleet_people import WAVEFORMS_PER_S, Person
from fleet_socket import BACKFILL_PER_S, WORK_PERIOD_S, SharedOutbox, SharedSocket

from edge.core.types import Waveform
from edge.mqtt import payloads as p
from edge.mqtt.broker import Broker, tls_context
from edge.mqtt.info import NetworkState
from edge.mqtt.publisher import Publisher
from edge.mqtt.spool import Spool
from edge.radar.chirp import ChirpConfig
from edge.radar.chirp_file.parser import load_chirp

CFG = Path(__file__).parents[1] / "firmware_config/awr1843_mmecg.cfg"
NETWORK = NetworkState(p.Model("made-up-1", "0" * 64), backend="onnxruntime")
SPOOL_BYTES = 16 << 20
CONNECT_TIMEOUT_S = DRAIN_TIMEOUT_S = 60.0
MIN_SLEEP_S = 0.002


class Device:
    """A publisher, and the person in front of its radar.

    `observations` and `events`: numbers of the messages that must not be lost; the first are vitals and ECG.
    """

    def __init__(self, publisher: Publisher, name: str, person: Person, slot: int) -> None:
        self.name, self.publisher, self._person, self._slot = name, publisher, person, slot
        self.observations: list[int] = []
        self.events: list[int] = []
        self._waves: list[Waveform] = []

    def step(self, tick: int) -> None:
        """Publish what a device publishes in this fifth of a second."""
        publisher = self.publisher
        if tick % WAVEFORMS_PER_S == self._slot:
            second = self._person.measure(time.time_ns(), time.monotonic_ns())
            before = publisher._seq
            publisher.ecg(second.ecg, second.vitals.quality)
            publisher.vitals(second.vitals)
            self.observations += [before + 1, before + 2]
            self.events += range(before + 3, publisher._seq + 1)
            self._waves = second.waveforms
        if self._waves:
            publisher.waveform(self._waves.pop(0))


class Fleet:
    """Devices number `first` to `first + count - 1` of a seed. They connect at once, and measure during `run`.

    With the folder `spool`, each has a connection and a spool of its own; otherwise `per_socket` share one connection.
    `certificates` has those of the devices (NAME.crt and NAME.key) and that of the broker's authority, ca.crt.
    """

    def __init__(
        self,
        broker: Broker,
        count: int,
        first: int = 1,
        seed: int = 1,
        per_socket: int = 50,
        spool: Path | None = None,
        certificates: Path | None = None,
    ) -> None:
        chirp = load_chirp(CFG)
        self._sockets: list[SharedSocket] = []
        self.devices: list[Device] = []
        for k in range(first, first + count):
            name = f"radar-{k:05d}"
            if certificates:
                files = (certificates / file for file in ("ca.crt", f"{name}.crt", f"{name}.key"))
                broker = replace(broker, tls=tls_context(*files))
            if spool:
                file = Spool(spool / f"{name}.db", SPOOL_BYTES)
                publisher = Publisher(broker, name, chirp, file, NETWORK, BACKFILL_PER_S)
            else:
                if len(self.devices) % per_socket == 0:
                    self._sockets.append(SharedSocket(broker, f"from-{name}"))
                publisher = sharing_publisher(self._sockets[-1], name, chirp)
            self.devices.append(Device(publisher, name, Person(seed, k), k % WAVEFORMS_PER_S))
        for socket in self._sockets:
            socket.start()

    def wait_connected(self, timeout_s: float = CONNECT_TIMEOUT_S) -> bool:
        """Wait until all devices are connected; return whether they are."""
        clients = [socket.client for socket in self._sockets] or [device.publisher.client for device in self.devices]
        deadline_s = time.monotonic() + timeout_s
        return all(client.connected.wait(max(0.0, deadline_s - time.monotonic())) for client in clients)

    def run(self, stopping: threading.Event, seconds: float = float("inf")) -> float:
        """Publish until the event or for so long; return by how many seconds it was late at most."""
        start_s, tick, late_s = time.monotonic(), 0, 0.0
        while not stopping.is_set() and tick < seconds * WAVEFORMS_PER_S:
            for k, device in enumerate(self.devices):
                wait_s = start_s + (tick + k / len(self.devices)) / WAVEFORMS_PER_S - time.monotonic()
                late_s = max(late_s, -wait_s)
                if wait_s > MIN_SLEEP_S:
                    time.sleep(wait_s)
                device.step(tick)
            tick += 1
            self._work()
        return late_s

    def waiting(self) -> int:
        """Return the number of messages that the broker has not confirmed."""
        if self._sockets:
            return sum(socket.count().spool.messages for socket in self._sockets)
        return sum(device.publisher.outbox.count().spool.messages for device in self.devices)

    def close(self) -> int:
        """Wait until the broker has confirmed everything, and disconnect; return the number of messages left."""
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        while (left := self.waiting()) and time.monotonic() < deadline_s:
            self._work()
            time.sleep(WORK_PERIOD_S)
        for device in self.devices:
            device.publisher.close()
        return left

    def _work(self) -> None:
        for socket in self._sockets:
            socket.work()


def sharing_publisher(socket: SharedSocket, name: str, chirp: ChirpConfig) -> Publisher:
    """Return a publisher whose client and outbox are parts of this socket."""
    module, no_file = Publisher.__module__, SimpleNamespace(is_persistent=False)

    def join(_: Broker, device: str, will: tuple, birth: list) -> SharedOutbox:
        return SharedOutbox(socket, device, will, birth)

    with mock.patch(f"{module}.MqttClient", join), mock.patch(f"{module}.Outbox", lambda client, *_: client):
        return Publisher(Broker(), name, chirp, no_file, NETWORK)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--first", type=int, default=1, help="number of the first device (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="default: until Ctrl-C or SIGTERM")
    parser.add_argument("--per-socket", type=int, default=50, help="devices that share a connection (%(default)s)")
    parser.add_argument("--spool", type=Path, metavar="FOLDER", help="a connection and a spool file for each device")
    parser.add_argument("--certificates", type=Path, metavar="FOLDER", help="TLS: ca.crt, and DEVICE.crt and .key")
    parser.add_argument("--accepted", type=Path, metavar="FILE", help="write which messages must not be lost (JSON)")
    args = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    broker = Broker(args.host, args.port)
    fleet = Fleet(broker, args.devices, args.first, args.seed, args.per_socket, args.spool, args.certificates)
    if not fleet.wait_connected():
        print(f"fleet_devices: the broker at {broker.address} does not accept all devices", file=sys.stderr)
    late_s = fleet.run(stopping, args.seconds)
    accepted = {each.name: (each.publisher._boot, each.observations, each.events) for each in fleet.devices}
    summary = {
        "devices": args.devices,
        "published": sum(device.publisher._seq for device in fleet.devices),
        "unconfirmed": fleet.close(),
        "late_s": round(late_s, 3),
    }
    if args.accepted:
        args.accepted.write_text(json.dumps({"summary": summary, "accepted": accepted}))
    print(json.dumps(summary), flush=True)
    return int(summary["unconfirmed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
