"""Periods: of all the messages of a device in `every_s`, one represents the heart rate and one the breathing rate.

A period begins at a multiple of `every_s` since 1970, so that restarts and several bridges have the same ones. It is
represented by its latest message with a valid rate: a measurement that was really made, with its own time, not a mean.
If none is valid, its latest message gives the reason. A period without any message is not stored.

It ends when a later message of its device has arrived and nothing was added to it for a while; the messages that
represent it stay spooled until it is stored. What arrives later still, as backfill, forms the same period again, with
the same identifier: a value then fills an Observation that has none, and never replaces one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.fhir.observation import RATES, check_time, is_valid, rate_of_period
from edge.fhir.records import Record
from edge.fhir.terms import MetricName
from edge.mqtt.payloads import VitalsPayload

QUIET_S = 10.0
"""A period ends when nothing was added to it for this long: as long as a broker keeps a live message."""


@dataclass(slots=True)
class _Period:
    """The messages that represent a period so far, by rate; `number`: in the spool."""

    vitals: dict[MetricName, VitalsPayload] = field(default_factory=dict)
    numbers: dict[MetricName, int] = field(default_factory=dict)
    changed_s: float = 0.0


class Periods:
    """The periods that have not ended. `quiet_s`: see QUIET_S."""

    def __init__(self, every_s: int, quiet_s: float = QUIET_S) -> None:
        self._every_s, self._quiet_s = every_s, quiet_s
        self._open: dict[tuple[str, int], _Period] = {}  # by device and start, in ns
        self._newest_ns: dict[str, int] = {}  # of each device

    def __len__(self) -> int:
        return len(self._open)

    def add(self, vitals: VitalsPayload, number: int, now_s: float) -> set[int]:
        """Add a message; return the numbers of those that represent nothing any more. Raises ValueError."""
        check_time(vitals.t_ns)
        length_ns = self._every_s * 1_000_000_000
        key = (vitals.device, vitals.t_ns // length_ns * length_ns)
        period = self._open.setdefault(key, _Period())
        period.changed_s = now_s
        self._newest_ns[vitals.device] = max(vitals.t_ns, self._newest_ns.get(vitals.device, 0))
        numbers = {number, *period.numbers.values()}
        for metric in RATES:
            former = period.vitals.get(metric.name)
            if former is None or (is_valid(metric, vitals), vitals.t_ns) > (is_valid(metric, former), former.t_ns):
                period.vitals[metric.name], period.numbers[metric.name] = vitals, number
        return numbers - set(period.numbers.values())

    def end(self, now_s: float) -> Iterator[tuple[Record, int]]:
        """Yield the Observations of the periods that have ended, each with the number of its message."""
        ended = [key for key, period in self._open.items() if self._has_ended(key, period, now_s)]
        for device, start_ns in ended:
            period = self._open.pop((device, start_ns))
            for metric in RATES:
                record = rate_of_period(metric, period.vitals[metric.name], start_ns, self._every_s)
                yield record, period.numbers[metric.name]

    def _has_ended(self, key: tuple[str, int], period: _Period, now_s: float) -> bool:
        device, start_ns = key
        quiet_s = now_s - period.changed_s
        is_over = self._newest_ns[device] >= start_ns + self._every_s * 1_000_000_000
        return quiet_s >= (self._quiet_s if is_over else self._quiet_s + self._every_s)
