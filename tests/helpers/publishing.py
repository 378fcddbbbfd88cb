"""A device's publisher with its spool, for tests; its messages are always the same."""

import time
from pathlib import Path

from edge.core.types import FrameCount, Quality, Vitals
from edge.mqtt.broker import Broker
from edge.mqtt.publisher import Publisher
from edge.mqtt.spool import Spool
from edge.radar.chirp import ChirpConfig

GOOD = Vitals(1_795_196_400_000_000_000, 64.0, 15.0, 0.46, Quality("good", 0.93), FrameCount(1, 0))


def start_publisher(broker: Broker | int, folder: Path, chirp: ChirpConfig, **options) -> Publisher:
    """To a broker, or a port of this machine."""
    broker = Broker(port=broker) if isinstance(broker, int) else broker
    return Publisher(broker, "radar-0001", chirp, Spool(folder / "spool.db", 16 << 20), **options)


def connected(broker: Broker | int, folder: Path, chirp: ChirpConfig, **options) -> Publisher:
    publisher = start_publisher(broker, folder, chirp, **options)
    assert publisher.client.connected.wait(timeout=60)
    return publisher


def wait(condition, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
