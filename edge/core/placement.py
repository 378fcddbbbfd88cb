"""The record that helps to aim the radar: what it receives from each distance."""

from __future__ import annotations

from dataclasses import dataclass

from edge.core.types import Float64


@dataclass(frozen=True, slots=True)
class Placement:
    """What the radar receives now, for a person who aims it.

    power_db [n]: power of all that moves at the distances range_m [n], relative to the room's median. `chest_range_m`
    is None without a chest, `contrast_db` (chest to room) before the first search for one. breathing_mm: motion of the
    chest in the last 10 s, 10 values a second, positive towards the radar, about its mean. `advice` is one short
    sentence.
    """

    range_m: Float64
    power_db: Float64
    chest_range_m: float | None
    contrast_db: float | None
    breathing_mm: Float64
    advice: str
