"""Periods: which message represents one, when it ends, and what late messages do to it."""

import itertools

import msgspec

from edge.fhir.periods import Periods
from tests.helpers.hub_messages import MOVING, VALID, at

EVERY_S, QUIET_S = 60, 10.0


class Clock:
    """Adds messages, one a second, and collects what ends."""

    def __init__(self) -> None:
        self.periods, self.now_s, self.superseded = Periods(EVERY_S, QUIET_S), 0.0, set()
        self._numbers = itertools.count(1)

    def add(self, *messages) -> None:
        for vitals in messages:
            self.superseded |= self.periods.add(vitals, next(self._numbers), self.now_s)

    def end(self, after_s: float) -> dict[str, tuple]:
        """Return name -> (value or reason, handling, number of the message) of what has ended by then."""
        self.now_s += after_s
        return {record.name: (_result(record.resource), record.handling, number) for record, number in self._ended()}

    def _ended(self):
        return list(self.periods.end(self.now_s))


def _result(resource: dict):
    if "valueQuantity" in resource:
        return resource["valueQuantity"]["value"]
    return resource["dataAbsentReason"]["coding"][0]["code"]


def test_the_latest_valid_message_represents_a_period():
    clock = Clock()
    clock.add(at(VALID, 0, 60.0), at(VALID, 30, 70.0), at(MOVING, 59), at(VALID, 60, 80.0))
    assert clock.end(QUIET_S - 0.1) == {}
    assert clock.end(0.1) == {
        "174000-60s-heart-rate": (70.0, "fill", 2),
        "174000-60s-breathing-rate": (15.0, "fill", 2),
    }
    assert clock.superseded == {1, 3}
    assert len(clock.periods) == 1


def test_each_rate_has_its_own_message():
    low_snr = msgspec.structs.replace(MOVING, breathing=VALID.breathing, quality=type(VALID.quality)("unusable", 0.1))
    clock = Clock()
    clock.add(at(VALID, 1, 60.0), at(low_snr, 2), at(MOVING, 3), at(MOVING, 61))
    assert clock.end(QUIET_S) == {
        "174000-60s-heart-rate": (60.0, "fill", 1),
        "174000-60s-breathing-rate": (15.0, "fill", 2),
    }
    assert clock.superseded == {3}


def test_a_period_without_a_valid_second_has_the_reason_of_its_last():
    clock = Clock()
    warming = msgspec.structs.replace(MOVING, quality=type(VALID.quality)("unusable", 0.1, ("no_subject",)))
    clock.add(at(MOVING, 1), at(warming, 2), at(MOVING, 61))
    assert clock.end(QUIET_S)["174000-60s-heart-rate"] == ("not-performed", "create", 2)


def test_messages_out_of_order_and_delivered_twice_change_nothing():
    clock = Clock()
    clock.add(at(VALID, 30, 70.0), at(VALID, 10, 60.0), at(VALID, 30, 70.0), at(VALID, 61))
    assert clock.end(QUIET_S)["174000-60s-heart-rate"] == (70.0, "fill", 1)
    assert clock.superseded == {2, 3}


def test_a_device_that_falls_silent_ends_its_period_later():
    clock = Clock()
    clock.add(at(VALID, 1, 60.0))
    assert clock.end(QUIET_S + EVERY_S - 1) == {}
    assert set(clock.end(1)) == {"174000-60s-heart-rate", "174000-60s-breathing-rate"}
    assert len(clock.periods) == 0
    assert clock.end(1000) == {}  # periods without any message are not invented


def test_what_arrives_later_forms_the_same_period_again():
    clock = Clock()
    clock.add(at(MOVING, 50), at(VALID, 61))
    assert clock.end(QUIET_S)["174000-60s-heart-rate"] == ("temp-unknown", "create", 1)
    clock.add(at(VALID, 20, 66.0))
    assert clock.end(QUIET_S)["174000-60s-heart-rate"] == (66.0, "fill", 3)


def test_devices_do_not_wait_for_each_other():
    clock = Clock()
    other = msgspec.structs.replace(VALID, device="radar-0002")
    clock.add(at(VALID, 1), at(other, 1), at(other, 61))
    assert len(clock.end(QUIET_S)) == 2
    assert len(clock.periods) == 2
