"""Answers of the API as structs; `edge.web.openapi` writes the OpenAPI document from them.

All times are Unix seconds. The lists of `VitalsHistory` have the same length: one value a row.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.history.reader import Resolution

Share = Annotated[float, Meta(ge=0, le=1)]


class VitalsHistory(msgspec.Struct, frozen=True):
    """Vitals of seconds, minutes or hours; a row for which nothing was recorded is absent.

    `t_s`: start of the row. Rates and distances are means of the seconds with a valid value, null if there was none.
    `recorded`: fraction of the row's seconds for which there are vitals; `valid` (with a heart rate), `good` (quality),
    `present` (a person) and `moving`: fractions of the recorded seconds. `irregular`: fraction of the seconds whose
    rhythm was assessed; a hint, not a diagnosis. `flags`: reasons for the quality, the most frequent first.
    """

    from_s: float
    to_s: float
    resolution_s: Resolution
    t_s: list[int]
    heart_rate_bpm: list[float | None]
    ci95_low_bpm: list[float | None]
    ci95_high_bpm: list[float | None]
    breathing_rate_bpm: list[float | None]
    chest_range_m: list[float | None]
    recorded: list[Share]
    valid: list[Share]
    good: list[Share]
    present: list[Share]
    moving: list[Share]
    irregular: list[Share | None]
    flags: list[list[str]]


class HistoryEvent(msgspec.Struct, frozen=True):
    """An event: device_started, device_stopped, flag_began or flag_ended, the last two with the flag.

    A start ends every flag: after a power failure, their ends are missing.
    """

    t_s: float
    kind: str
    flag: str | None


class EventHistory(msgspec.Struct, frozen=True):
    """Events, oldest first."""

    events: list[HistoryEvent]


class EcgHistoryBlock(msgspec.Struct, frozen=True):
    """A piece of the reconstructed ECG; `t_s` is the time of its first sample.

    `samples`: in thousandths of the height of the QRS complex, null where unknown: shape only, not a measured lead.
    If not `continues`, the block before is not adjacent. `personalised`: the times are shifted to one person.
    """

    t_s: float
    samples: list[int | None]
    r_peaks_s: list[float]
    continues: bool
    personalised: bool


class EcgHistory(msgspec.Struct, frozen=True):
    """The ECG that overlaps the range, oldest first."""

    rate_hz: int
    blocks: list[EcgHistoryBlock]


class ApiError(msgspec.Struct, frozen=True):
    """Why there is no answer: what is wrong, and what is possible."""

    error: str
