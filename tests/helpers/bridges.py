"""The FHIR bridge for tests: its forwarder alone, and in a thread with a broker."""

import threading
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from edge.fhir.bridge import run_bridge
from edge.fhir.dead_letters import DeadLetters
from edge.fhir.forwarder import Forwarder, Store
from edge.fhir.inbox import Inbox
from edge.fhir.periods import Periods
from edge.fhir.records import Record
from edge.fhir.subjects import Subjects
from edge.mqtt.broker import Broker
from edge.mqtt.spool import Spool
from tests.helpers.hub_messages import ECG_TOPIC, ecg_message

NEVER = threading.Event()


class StandInStore:
    """Stores everything but the resources in `failing`, by the number of their message; `tried`: in order."""

    kinds: frozenset[str] | None = frozenset({"Observation"})

    def __init__(self, batch_size: int = 1) -> None:
        self.batch_size = batch_size
        self.failing: dict[int, Exception] = {}
        self.whole: Exception | None = None
        self.tried: list[int] = []
        self.calls: list[list[int]] = []
        self.stored: list[Record] = []

    def store(self, records):
        numbers = [int(record.resource["identifier"][0]["value"].split("/")[2]) for record in records]
        self.calls.append(numbers)
        if self.whole is not None and len(numbers) > 1:
            raise self.whole
        self.tried += numbers
        outcomes = [self.failing.get(number) for number in numbers]
        self.stored += [record for record, outcome in zip(records, outcomes, strict=True) if outcome is None]
        return outcomes


class Bench:
    """A forwarder with ECG messages 1..count in its spool, each of which becomes one resource, and a stand-in store."""

    def __init__(self, folder: Path, count: int = 3, store: Store | None = None, subjects: Subjects | None = None):
        self.spool = Spool(folder / "spool.db", 1 << 24)
        self.append(*range(1, count + 1))
        self.letters = DeadLetters(folder / "dead")
        self.store = store or StandInStore()
        self.inbox = Inbox(self.spool, "R4B", None, self.store.kinds)
        self.forwarder = Forwarder(self.inbox, self.store, self.letters, subjects)

    def append(self, *seqs: int) -> None:
        for seq in seqs:
            self.spool.append(ECG_TOPIC, ecg_message(seq))

    def forward(self) -> float:
        return self.forwarder.forward(NEVER)

    @property
    def waiting(self) -> int:
        return self.spool.count().messages


@contextmanager
def running_bridge(folder: Path, port: int, store: Store, every_s: int = 1, quiet_s: float = 0.2, shared=True):
    """Run a bridge in a thread; yield its spool once it is connected."""
    folder.mkdir(exist_ok=True)
    stopping, connected = threading.Event(), threading.Event()
    spool, letters = Spool(folder / "spool.db", 1 << 24), DeadLetters(folder / "dead")
    periods = Periods(every_s, quiet_s) if every_s > 1 else None
    forwarder = Forwarder(Inbox(spool, "R4B", periods, store.kinds), store, letters)
    thread = threading.Thread(target=run_bridge, args=(Broker(port=port), spool, forwarder, shared, stopping))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.fhir.bridge.PERIOD_S", 0.02)
        patch.setattr("edge.fhir.forwarder.PERIOD_S", 0.02)
        patch.setattr("edge.fhir.forwarder.MAX_WAIT_S", 0.1)
        patch.setattr("edge.fhir.bridge._report_connected", lambda *_: connected.set())
        thread.start()
        try:
            assert connected.wait(60)
            yield spool
        finally:
            stopping.set()
            thread.join(60)
    assert not thread.is_alive()


def publish(port: int, *messages: tuple[str, bytes], retain: bool = False) -> None:
    """Publish messages, and wait until the broker has them."""
    device = paho.Client(paho.CallbackAPIVersion.VERSION2)
    device.connect("127.0.0.1", port)
    device.loop_start()
    for info in [device.publish(topic, payload, qos=1, retain=retain) for topic, payload in messages]:
        info.wait_for_publish(60)
    device.disconnect()
    device.loop_stop()
