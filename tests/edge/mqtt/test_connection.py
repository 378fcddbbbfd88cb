"""Explanations of refused and ended connections, with what to do, and the wait before the next attempt."""

import pytest

from edge.mqtt.connection import FIRST_WAIT_S, HEALTHY_S, MAX_WAIT_S, Connection
from edge.mqtt.reasons import ADVICE, TAKEN_OVER
from tests.helpers.brokers import ACCEPTED, Listener, ScriptedBroker
from tests.helpers.publishing import GOOD, connected, start_publisher, wait

V5_UNKNOWN = (0x01, b"")


def text_property(number: int, text: str) -> bytes:
    return bytes([number]) + len(text).to_bytes(2, "big") + text.encode()


def disconnect(reason: int, properties: bytes = b"") -> bytes:
    return bytes([0xE0, 2 + len(properties), reason, len(properties)]) + properties


@pytest.fixture
def other(tmp_path):
    """A folder for another runtime's spool."""
    folder = tmp_path / "other"
    folder.mkdir()
    return folder


def test_two_runtimes_with_one_device_name_back_off(mosquitto_port, tmp_path, other, mmecg, caplog, monkeypatch):
    """This mosquitto ends the first connection without a reason, so the takeover is reported as probable."""
    monkeypatch.setattr("edge.mqtt.connection.FIRST_WAIT_S", 0.05)
    listener = Listener(mosquitto_port)
    publishers = [connected(mosquitto_port, folder, mmecg) for folder in (tmp_path, other)]

    def named() -> list:
        return [p for p in publishers if p.client.fault and "probably another program" in p.client.fault]

    wait(named)
    (yielding,) = named()
    (staying,) = (p for p in publishers if p is not yielding)
    for words in ("client id radarecg-radar-0001", 'device "radar-0001"', "change `device`"):
        assert words in yielding.client.fault
        assert words in caplog.text
    assert sum(p.client.connections for p in publishers) <= 6
    assert staying.client.connected.wait(60)
    yielding.vitals(GOOD)  # kept
    staying.vitals(GOOD)
    listener.wait_for("radarecg/v1/radar-0001/vitals")
    assert not yielding.client.connected.is_set()
    for publisher in publishers:
        publisher.close()
    listener.close()


def test_a_takeover_is_reported(tmp_path, mmecg, caplog):
    with ScriptedBroker(end=disconnect(TAKEN_OVER)) as broker:
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: "Session taken over" in caplog.text)
        for words in ("client id radarecg-radar-0001", 'device "radar-0001"', "change `device`"):
            assert words in publisher.client.fault
            assert words in caplog.text
        assert publisher.gauges()["mqtt_session_takeovers_total"] == 1
        publisher.close()


class Waits:
    """Replaces an event: records the wait times, and is set after `count` waits."""

    def __init__(self, count: int) -> None:
        self.count, self.seconds = count, []

    def is_set(self) -> bool:
        return len(self.seconds) >= self.count

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Planned(Connection):
    """A connection without a broker whose durations and required waits are given by `plan`."""

    def __init__(self, *plan: tuple[float, float]) -> None:
        super().__init__(None, "radarecg-x", 0, is_persistent=False, takeover_advice="")
        self._plan = iter(plan)
        self._closing = Waits(len(plan))
        self._keep_connected()
        self.waits = self._closing.seconds

    def _run_connection(self) -> float:
        self._lasted_s, required_wait_s = next(self._plan)
        return required_wait_s

    def _prepare(self, client, options) -> None:
        raise AssertionError

    def _on_accepted(self, link) -> None:
        raise AssertionError


def test_only_a_minute_of_connection_resets_the_wait():
    at_once, healthy = (0.0, 0.0), (HEALTHY_S, 0.0)
    waits = Planned(*[at_once] * 8, healthy, at_once).waits
    expected = [min(FIRST_WAIT_S * 2**k, MAX_WAIT_S) for k in range(8)] + [FIRST_WAIT_S, 2 * FIRST_WAIT_S]
    assert all(0.5 * most <= wait <= most for wait, most in zip(waits, expected, strict=True))


def test_a_lasting_reason_needs_a_longer_wait():
    required_wait_s = ADVICE[TAKEN_OVER].min_wait_s
    assert required_wait_s >= 30
    waits = Planned((0.0, required_wait_s), (HEALTHY_S, required_wait_s), (HEALTHY_S, 0.0)).waits
    assert all(required_wait_s <= wait <= 1.5 * required_wait_s for wait in waits[:2])
    assert waits[2] <= FIRST_WAIT_S


def test_repeated_losses_in_mqtt_3_1_1_are_reported_as_probable_takeover(tmp_path, mmecg, caplog, monkeypatch):
    monkeypatch.setattr("edge.mqtt.connection.FIRST_WAIT_S", 0.01)
    with ScriptedBroker(V5_UNKNOWN, ACCEPTED, V5_UNKNOWN, ACCEPTED, V5_UNKNOWN, ACCEPTED, end=b"") as broker:
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: "probably another program uses the client id radarecg-radar-0001" in caplog.text)
        assert "was lost 3 times soon after it was accepted" in publisher.client.fault
        publisher.close()


REFUSALS = {
    0x85: "shorter name",
    0x86: "correct username and password_file",
    0x87: "does not permit this",
    0x89: "overloaded",
    0x8A: "lift the ban",
    0x95: "max_packet_size",
    0x97: "raise the limit",
    0x9D: "hub.example; set its new address",
    0x9F: "too many connections",
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_is_reported_with_advice(tmp_path, mmecg, caplog, code):
    moved = text_property(0x1C, "hub.example") if code == 0x9D else b""
    with ScriptedBroker((code, moved)) as broker:
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: "refused the connection" in caplog.text)
        assert REFUSALS[code] in caplog.text
        assert REFUSALS[code] in publisher.client.fault
        assert caplog.text.count("refused the connection") == 1
        publisher.close()


@pytest.mark.parametrize("code", [0x86, 0x87, 0x89, 0x8A, TAKEN_OVER, 0x97])
def test_a_reason_that_needs_manual_action_has_a_long_wait(code):
    assert ADVICE[code].min_wait_s >= 30


ENDS = {
    0x80: "Unspecified error (so it is)",
    0x8B: "Server shutting down",
    TAKEN_OVER: "another program uses the client id",
    0x93: "Receive maximum exceeded",
    0x96: "raise the limit",
    0x98: "an administrator ended this connection",
    0x86: "Bad user name or password",  # the standard does not list it for this packet
}


@pytest.mark.parametrize("code", ENDS)
def test_the_reason_for_a_disconnect_is_logged(tmp_path, mmecg, caplog, code):
    why = text_property(0x1F, "so it is") if code == 0x80 else b""
    with ScriptedBroker(end=disconnect(code, why)) as broker:
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: ENDS[code] in caplog.text)
        publisher.close()


def test_a_fault_is_logged_once_until_it_changes(tmp_path, mmecg, caplog, monkeypatch):
    monkeypatch.setattr("edge.mqtt.connection.FIRST_WAIT_S", 0.01)
    with ScriptedBroker((0x80, b"")) as broker:
        publisher = start_publisher(broker.port, tmp_path, mmecg)
        wait(lambda: len(broker.connects) >= 4)
        publisher.close()
    assert caplog.text.count("refused the connection: Unspecified error") == 1


def test_a_connection_that_lasts_has_no_fault(mosquitto_port, tmp_path, mmecg, monkeypatch):
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    publisher.client._fault = "lost the broker"
    assert publisher.client.fault == "lost the broker"
    monkeypatch.setattr("edge.mqtt.connection.HEALTHY_S", 0.0)
    assert publisher.client.fault is None
    publisher.close()
