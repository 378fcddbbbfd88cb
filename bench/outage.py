"""Checks that no message is lost while the broker has two outages and the device is killed twice.

    python bench/outage.py [--messages 6000] [--rate 50] [--outage 60]

Uses a real mosquitto, the device's spool and client in a separate process, and a subscriber. The broker is stopped;
during that outage the device is killed (SIGKILL) and restarted, and once more during the backfill; then the broker is
killed. Every message that the device accepted must arrive, live or backfilled, and both kinds in order. Prints a table;
the last line is JSON; the exit status is 1 if a message is missing or out of order.
"""

from __future__ import annotations

import argparse
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.demo.processes import free_port, mosquitto_command
from edge.mqtt.broker import Broker
from edge.mqtt.client import MqttClient
from edge.mqtt.outbox import Outbox
from edge.mqtt.spool import Spool
from edge.mqtt.topics import STATUS, VITALS, backfill

DEVICE = "radar-0001"
LIVE, LATER = VITALS.name(DEVICE), backfill(VITALS.suffix).name(DEVICE)
BACKFILL_PER_S = 400.0
SECOND_OUTAGE_S = 1.0
PATIENCE_S = 120.0
Key = tuple[str, int]  # boot and seq, which identify a message


def device(port: int, spool: Path, messages: int, rate: float) -> None:
    """Prints each accepted message on stdout, and ends when the broker has acknowledged all of them."""
    client = MqttClient(Broker(port=port), DEVICE, (STATUS, b"{}"), [])
    outbox = Outbox(client, Spool(spool, 64 << 20), BACKFILL_PER_S)
    boot, due = secrets.token_hex(4), time.monotonic()
    for seq in range(messages):
        outbox.publish(VITALS, json.dumps({"boot": boot, "seq": seq, "as long as": "x" * 600}).encode())
        print(boot, seq, flush=True)
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))
    while outbox.count().spool.messages:
        time.sleep(0.1)
    outbox.close((STATUS, b"{}"))


class Device:
    """The device's process; its output is collected in `taken`."""

    def __init__(self, port: int, spool: Path, messages: int, rate: float, taken: list[Key]) -> None:
        command = [sys.executable, __file__, "--messages", str(messages), "--rate", str(rate)]
        self.process = subprocess.Popen(
            [*command, "--device", str(port), str(spool)], stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, args=(taken,))
        self._reader.start()

    def _read(self, taken: list[Key]) -> None:
        assert self.process.stdout
        with self.process.stdout as words:
            for line in words:
                if line.endswith("\n"):
                    boot, seq = line.split()
                    taken.append((boot, int(seq)))

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        self.process.wait(PATIENCE_S)
        self._reader.join()


class Subscriber:
    """A subscriber with a persistent session: the broker queues messages while it is disconnected."""

    def __init__(self, port: int) -> None:
        self.arrived: dict[str, list[Key]] = {LIVE: [], LATER: []}
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "subscriber", protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe([(LIVE, 1), (LATER, 1)])
        self._client.on_message = self._take
        self._client.reconnect_delay_set(1, 1)
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=session)
        self._client.loop_start()

    def keys(self) -> set[Key]:
        return {key for keys in self.arrived.values() for key in keys}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        payload = json.loads(message.payload)
        self.arrived[message.topic].append((payload["boot"], payload["seq"]))


class Mosquitto:
    """A broker on loopback, and at further addresses; it restores its subscribers' sessions after a restart."""

    def __init__(self, folder: Path, port: int, *addresses: str) -> None:
        command = mosquitto_command(port, folder)
        if command is None:
            sys.exit("mosquitto is not installed")
        config = Path(command[-1])
        keep = f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
        more = "".join(f"listener {port} {address}\n" for address in addresses)
        config.write_text(f"{config.read_text()}{more}{keep}max_inflight_messages 0\nmax_queued_messages 100000\n")
        self._command, self._port = command, port
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while socket.socket().connect_ex(("127.0.0.1", self._port)):
            time.sleep(0.02)


def run(folder: Path, messages: int, rate: float, outage_s: float) -> tuple[list[Key], Subscriber]:
    port, spool = free_port(socket.SOCK_STREAM), folder / "spool.db"
    taken: list[Key] = []

    def until(count: float) -> None:
        while len(taken) < count:
            time.sleep(0.01)

    def start_device() -> Device:
        return Device(port, spool, messages - len(taken), rate, taken)

    broker = Mosquitto(folder, port)
    try:
        subscriber = Subscriber(port)
        publisher = start_device()
        until(messages / 8)
        broker.process.terminate()
        broker.process.wait()
        time.sleep(outage_s / 2)
        publisher.kill()
        publisher = start_device()
        time.sleep(outage_s / 2)
        broker.start()
        while not subscriber.arrived[LATER]:
            time.sleep(0.01)
        publisher.kill()
        publisher = start_device()
        until(messages * 7 / 8)
        broker.process.kill()
        broker.process.wait()
        time.sleep(SECOND_OUTAGE_S)
        broker.start()
        publisher.end()
        end_s = time.monotonic() + PATIENCE_S
        while not set(taken) <= subscriber.keys() and time.monotonic() < end_s:
            time.sleep(0.1)
        subscriber.close()
    finally:
        broker.process.kill()
        broker.process.wait()
    return taken, subscriber


def in_order(keys: list[Key]) -> bool:
    """Whether, apart from repetitions, boots follow each other and the numbers rise in each."""
    first = list(dict.fromkeys(keys))
    boots = {boot: k for k, boot in enumerate(dict.fromkeys(boot for boot, _ in first))}
    places = [(boots[boot], seq) for boot, seq in first]
    return places == sorted(places)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=50.0, help="messages per second")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without a broker")
    parser.add_argument("--device", nargs=2, metavar=("PORT", "SPOOL"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.device:
        device(int(args.device[0]), Path(args.device[1]), args.messages, args.rate)
        return 0
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        taken, subscriber = run(Path(folder), args.messages, args.rate, args.outage)
    live, later = subscriber.arrived[LIVE], subscriber.arrived[LATER]
    summary = {
        "taken": len(taken),
        "missing": len(set(taken) - subscriber.keys()),
        "live": len(set(live)),
        "backfilled": len(set(later)),
        "repeated": len(live) + len(later) - len(subscriber.keys()),
        "live_in_order": in_order(live),
        "backfill_in_order": in_order(later),
        "seconds": round(time.monotonic() - start_s, 1),
    }
    for name, value in summary.items():
        print(f"{name.replace('_', ' '):>20}  {value}")
    print(json.dumps(summary))
    return int(bool(summary["missing"]) or not (summary["live_in_order"] and summary["backfill_in_order"]))


if __name__ == "__main__":
    sys.exit(main())
