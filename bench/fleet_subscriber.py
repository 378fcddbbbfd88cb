"""A plain subscriber for fleet.py: counts the messages of all devices by device, boot and seq, and their latency.

    python bench/fleet_subscriber.py PORT ca.crt cert key RESULT.json

Its session is persistent, as that of a program that must not lose messages. It writes the number of messages to
RESULT.json.count every second, and the result on SIGTERM.
"""

from __future__ import annotations

import json
import signal
import ssl
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TOPICS = ("vitals", "ecg", "event", "backfill/vitals", "backfill/ecg", "backfill/event")


class Counter:
    """The messages that have arrived."""

    def __init__(self) -> None:
        self.messages = self.bytes = 0
        self.arrived: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self.latencies_ms: list[float] = []

    def on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        payload = json.loads(message.payload)
        self.messages += 1
        self.bytes += len(message.payload)
        self.arrived[payload["device"]].add((payload["boot"], payload["seq"]))
        if message.topic.endswith("/vitals") and "/backfill/" not in message.topic:
            self.latencies_ms.append((time.time_ns() - payload["t_ns"]) / 1e6)

    def result(self) -> dict:
        p50, p99 = np.percentile(self.latencies_ms or [0.0], [50, 99])
        arrived = {device: sorted(keys) for device, keys in self.arrived.items()}
        counts = {"messages": self.messages, "bytes": self.bytes, "p50_ms": float(p50), "p99_ms": float(p99)}
        return {**counts, "cpu_s": time.process_time(), "arrived": arrived}


def main() -> int:
    port, ca, cert, key, result = sys.argv[1:]
    stopping, counter = threading.Event(), Counter()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "plain-subscriber", protocol=paho.MQTTv5)
    tls = ssl.create_default_context(cafile=ca)
    tls.load_cert_chain(cert, key)
    client.tls_set_context(tls)
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda client, *_: client.subscribe([(f"radarecg/v1/+/{topic}", 1) for topic in TOPICS])
    client.on_message = counter.on_message
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval, session.ReceiveMaximum = 3600, 1000
    client.connect("127.0.0.1", int(port), clean_start=False, properties=session)
    client.loop_start()
    while not stopping.wait(1.0):
        Path(f"{result}.count").write_text(str(counter.messages))
    client.disconnect()
    client.loop_stop()
    Path(result).write_text(json.dumps(counter.result()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
