"""The verdict on the last window: good, degraded or unusable, an index, and reasons in the agreed words.

A reason that makes the heart rate worthless makes the verdict `unusable`; the others degrade it, or, for the clock,
only say that time stamps are not to be trusted. A heart rate is published only if the verdict is not `unusable`.
Adding a reason: a row in FLAGS, a line in `assess`, the word in `mqtt/fields.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.frames import Doubt, Quality, RcgBlock
from edge.spec import RCG_RATE_HZ, WINDOW_S

Severity = Literal["unusable", "degraded", "note"]

FLAGS: dict[str, Severity] = {
    "radar_fault": "unusable",
    "stale": "unusable",
    "no_subject": "unusable",
    "out_of_range": "unusable",
    "multiple_subjects": "unusable",
    "body_movement": "unusable",
    "warming_up": "unusable",
    "low_snr": "unusable",
    "model_uncertain": "unusable",
    "frame_loss": "degraded",
    "clock_unsynced": "note",
}

# Any of these makes the breathing rate and the chest's distance worthless too; the others concern the heart alone.
CHEST_LOST = frozenset({"radar_fault", "stale", "no_subject", "body_movement"})

STALE_S = 1.0
FAULT_S = 5.0
MOVEMENT_MM_S = 30.0  # breathing at 12 mm and 20 a minute reaches 13 mm/s, the heart less
MOVEMENT_HOLD_S = 1.0  # a body that turns back stands still for a moment on the way
MOVEMENT_OF_LIMIT = 0.6  # of the fastest motion the frame rate can follow: above, the phase is not to be trusted
LOSS_NOTICED = 0.01
LOSS_UNUSABLE = 0.10
CONFIDENCE_NEEDED = 0.80  # of the rates above it, 95 to 100 % are right, by set (bench/classical.py)
CONFIDENCE_GOOD = 0.90
BREATHING_CONFIDENCE_NEEDED = 0.5


class StillnessWatch:
    """Random body movement: the chest as a whole moves faster than breathing can."""

    def __init__(self, max_speed_mm_s: float) -> None:
        self._limit_mm_s = min(MOVEMENT_MM_S, MOVEMENT_OF_LIMIT * max_speed_mm_s)
        self._still_s = MOVEMENT_HOLD_S

    @property
    def still(self) -> bool:
        """No movement for MOVEMENT_HOLD_S."""
        return self._still_s >= MOVEMENT_HOLD_S

    def push(self, block: RcgBlock) -> bool:
        """Adds a block and returns `still`."""
        moved = block.speed_mm_s > self._limit_mm_s
        self._still_s = 0.0 if moved else self._still_s + len(block.covered) / RCG_RATE_HZ
        return self.still


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdict rests on. Times in s; `history_s`, since the chest was last lost or moved;
    `lost_share` of the window's samples; confidence 0..1."""

    silence_s: float
    problem: str | None
    present: bool
    still: bool
    history_s: float
    lost_share: float
    confidence: float
    doubt: Doubt | None
    clock_synced: bool


def assess(e: Evidence) -> Quality:
    """Quality of the last window. The first reason that explains the silence hides the ones it causes."""
    flags = []
    if e.problem is not None or e.silence_s > FAULT_S:
        flags.append("radar_fault")
    if e.silence_s > STALE_S:
        flags.append("stale")
    elif not e.present:
        flags.append("no_subject")
    elif not e.still:
        flags.append("body_movement")
    elif e.history_s < WINDOW_S:
        flags.append("warming_up")
    elif e.doubt is not None:
        flags.append(e.doubt)
    elif not (e.confidence >= CONFIDENCE_NEEDED and e.lost_share <= LOSS_UNUSABLE):
        flags.append("low_snr")
    if e.lost_share > LOSS_NOTICED:
        flags.append("frame_loss")
    if not e.clock_synced:
        flags.append("clock_unsynced")
    severities = {FLAGS[flag] for flag in flags}
    if "unusable" in severities:
        return Quality("unusable", 0.0 if e.silence_s > STALE_S else _index(e) * 0.5, tuple(flags))
    degraded = "degraded" in severities or e.confidence < CONFIDENCE_GOOD
    return Quality("degraded" if degraded else "good", _index(e), tuple(flags))


def _index(e: Evidence) -> float:
    return round(min(1.0, e.confidence * (1 - e.lost_share)), 3)
