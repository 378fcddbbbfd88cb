"""What the inbox makes of spooled messages: devices, replays, periods; a restart begins again from the spool."""

import msgspec
import pytest

from edge.fhir.inbox import Inbox, open_inbox
from edge.fhir.periods import Periods
from edge.mqtt import payloads as p
from edge.mqtt.spool import Spool
from tests.helpers.bridges import Bench, StandInStore
from tests.helpers.hub_messages import ECG, INFO, INFO_TOPIC, MOVING, TOPIC, VALID, at

ALL = None


class Hub:
    """An inbox of periods of 60 s that end at once, and its spool."""

    def __init__(self, folder, kinds: frozenset[str] | None = ALL) -> None:
        self._path, self._kinds = folder / "spool.db", kinds
        self.spool = Spool(self._path, 1 << 24)
        self._start()

    def _start(self) -> None:
        self.inbox = Inbox(self.spool, "R4B", Periods(60, -60.0), self._kinds)

    def restart(self) -> None:
        """Kill the program and start it again."""
        self.spool.close()
        self.spool = Spool(self._path, 1 << 24)
        self._start()

    def receive(self, *messages: p.Payload) -> None:
        for message in messages:
            topic = INFO_TOPIC if isinstance(message, p.Info) else TOPIC
            self.spool.append(topic, p.encode(message))

    def names(self) -> list[str]:
        """Read what was received; return the names of all resources that wait."""
        self.inbox.fill()
        return [job.record.name for job in self.inbox.jobs]

    def finish(self) -> None:
        self.inbox.finish(self.inbox.jobs)
        self.inbox.jobs.clear()

    @property
    def spooled(self) -> int:
        return self.spool.count().messages


@pytest.fixture
def hub(tmp_path):
    hub = Hub(tmp_path)
    yield hub
    hub.spool.close()


def test_a_device_is_sent_once_until_it_changes(hub):
    hub.receive(INFO, INFO, msgspec.structs.replace(INFO, boot="00000001"))
    assert hub.names() == ["device", "metric-heart-rate", "metric-breathing-rate", "metric-ecg"]
    assert hub.spooled == 1  # until all four are stored
    hub.finish()
    assert hub.spooled == 0
    hub.receive(msgspec.structs.replace(INFO, version="0.9.1"))
    assert hub.names()[0] == "device"


def test_a_store_of_observations_gets_no_device(tmp_path):
    hub = Hub(tmp_path, frozenset({"Observation"}))
    hub.receive(INFO)
    assert hub.names() == []
    assert hub.spooled == 0
    hub.spool.close()


def test_what_is_replayed_is_not_stored_as_a_measurement(hub):
    hub.receive(*(msgspec.structs.replace(message, replayed=True) for message in (VALID, ECG, INFO)))
    assert hub.names() == []
    assert (hub.spooled, hub.inbox.skipped) == (0, {"of a replayed recording": 3})


def test_only_the_messages_that_represent_an_open_period_stay_spooled(hub):
    hub.receive(*(at(VALID, second) for second in range(59)), at(MOVING, 59))
    periods = Periods(60, 3600.0)
    hub.inbox = Inbox(hub.spool, "R4B", periods, ALL)
    assert hub.names() == []
    assert (hub.spooled, len(periods)) == (1, 1)


def test_a_restart_within_a_period_loses_and_doubles_nothing(hub):
    hub.receive(at(VALID, 10, 60.0))
    hub.inbox = Inbox(hub.spool, "R4B", Periods(60, 3600.0), ALL)
    assert hub.names() == []
    hub.restart()
    hub.receive(at(VALID, 30, 70.0), at(MOVING, 59))
    names = hub.names()
    assert names == ["174000-60s-heart-rate", "174000-60s-breathing-rate"]
    assert hub.inbox.jobs[0].record.resource["valueQuantity"]["value"] == 70.0
    before = hub.inbox.jobs[0].record
    hub.restart()  # killed before they were stored
    assert hub.names() == names
    assert hub.inbox.jobs[0].record == before
    hub.finish()
    assert hub.spooled == 0
    hub.restart()
    assert hub.names() == []


def test_with_a_second_each_message_is_stored_by_itself(tmp_path):
    spool = Spool(tmp_path / "spool.db", 1 << 24)
    spool.append(TOPIC, p.encode(VALID))
    inbox = open_inbox(spool, "R4B", 1, ALL)
    inbox.fill()
    identifiers = [job.record.resource["identifier"][0]["value"] for job in inbox.jobs]
    assert identifiers == ["radar-0001/5f0c6a9e/7", "radar-0001/5f0c6a9e/7/breathing-rate"]
    spool.close()


def test_two_bridges_send_the_same_at_different_times(tmp_path):
    """Otherwise both would create it at once, which not every server notices."""
    spools = [Spool(tmp_path / name, 1 << 20) for name in "ab"]
    first, second = (open_inbox(spool, "R4B", 60, ALL) for spool in spools)
    assert first._delay_s != second._delay_s
    assert first._periods._quiet_s != second._periods._quiet_s
    assert all(10 <= inbox._periods._quiet_s <= 20 for inbox in (first, second))
    for spool in spools:
        spool.close()


def test_a_message_is_deleted_after_its_last_resource(tmp_path):
    bench = Bench(tmp_path, 0, StandInStore())
    bench.spool.append(TOPIC, p.encode(VALID))
    bench.inbox.fill()
    bench.inbox.finish([bench.inbox.jobs.popleft()])
    assert bench.waiting == 1
    bench.inbox.finish([bench.inbox.jobs.popleft()])
    assert bench.waiting == 0
    bench.spool.close()
