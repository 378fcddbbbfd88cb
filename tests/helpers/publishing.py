"""A device's publishers, for tests: one with its spool, and one that records; their messages are always the same."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from edge.core.types import EcgBlock, EcgEstimate, FrameCount, Quality, Rhythm, TaskOutputs, Vitals
from edge.mqtt import payloads as p
from edge.mqtt.broker import Broker
from edge.mqtt.info import NetworkState
from edge.mqtt.outbox import OutboxCount
from edge.mqtt.publisher import Publisher
from edge.mqtt.spool import Spool, SpoolCount
from edge.radar.chirp import ChirpConfig

GOOD = Vitals(1_795_196_400_000_000_000, 64.0, 15.0, 0.46, Quality("good", 0.93), FrameCount(1, 0))
T_NS = 1_795_196_400_123_456_789
SHA256 = "9b1f0c3a" * 8

VITALS = {
    "good": Vitals(T_NS, 64.23, 14.9, 0.463, Quality("good", 0.93), FrameCount(2000, 0)),
    "beats": Vitals(
        T_NS,
        64.23,
        14.9,
        0.463,
        Quality("good", 0.93),
        ci95_bpm=(62.04, 66.57),
        n_beats=11,
        rhythm=Rhythm(31.4, 42.8, irregular=False),
    ),
    "unusable": Vitals(
        T_NS, None, None, None, Quality("unusable", 0.11, ("body_movement", "frame_loss")), movement="mild"
    ),
}

OUTPUTS = TaskOutputs(np.zeros(200, np.float32), np.full(800, 1 / 800, np.float32), np.full(260, 1 / 260, np.float32))
STRETCH = EcgBlock(
    T_NS,
    1200,
    EcgEstimate(200, np.array([0.0, 1.0, -0.25]), np.array([False, True, True]), np.array([201.25]), np.array([0.9])),
    continues=True,
    outputs=OUTPUTS,
)


def start_publisher(broker: Broker | int, folder: Path, chirp: ChirpConfig, **options) -> Publisher:
    """To a broker, or a port of this machine."""
    broker = Broker(port=broker) if isinstance(broker, int) else broker
    return Publisher(broker, "radar-0001", chirp, Spool(folder / "spool.db", 16 << 20), **options)


def connected(broker: Broker | int, folder: Path, chirp: ChirpConfig, **options) -> Publisher:
    publisher = start_publisher(broker, folder, chirp, **options)
    assert publisher.client.connected.wait(timeout=60)
    return publisher


class Sent(Publisher):
    """A publisher whose client records messages instead of sending them."""

    def __init__(self, chirp, monkeypatch, **options) -> None:
        self.out: list[tuple[str, dict]] = []

        out = self.out

        class Client:
            def __init__(self, broker, device, will, birth) -> None:
                out.extend((topic.suffix, json.loads(payload)) for topic, payload in [will, *birth])

            connections = 1

        class Outbox:
            def __init__(self, client, spool, backfill_per_s) -> None:
                pass

            def publish(self, topic, payload) -> None:
                out.append((topic.suffix, json.loads(payload)))

            def count(self) -> OutboxCount:
                return OutboxCount(2, SpoolCount(3, 4096, 0, 1))

        monkeypatch.setattr("edge.mqtt.publisher.MqttClient", Client)
        monkeypatch.setattr("edge.mqtt.publisher.Outbox", Outbox)
        state = NetworkState(p.Model("compact", SHA256), True, "onnxruntime")
        super().__init__(Broker(), "radar-0001", chirp, SimpleNamespace(is_persistent=True), state, **options)

    def last(self, suffix: str) -> dict:
        return next(payload for topic, payload in reversed(self.out) if topic == suffix)


def wait(condition, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
