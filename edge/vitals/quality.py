"""The verdict on the last window: good, degraded or unusable, an index, and reasons in the agreed words.

A reason that makes the heart rate worthless makes the verdict `unusable`; the others degrade it, or, for the clock,
only say that time stamps are not to be trusted. A heart rate is published only if the verdict is not `unusable`.
Adding a reason: a row in FLAGS, a line in `assess`, the word in `mqtt/fields.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.core.spec import WINDOW_S
from edge.core.types import BeatRate, MovementLevel, Quality, RateEstimate, UncertaintyReason
from edge.vitals.quality_model import QUALITY_MODEL

Severity = Literal["unusable", "degraded", "note"]

FLAGS: dict[str, Severity] = {
    "radar_fault": "unusable",
    "stale": "unusable",
    "no_subject": "unusable",
    "body_movement": "unusable",
    "warming_up": "unusable",
    "low_snr": "unusable",
    "model_uncertain": "unusable",
    "frame_loss": "degraded",
    "clock_unsynced": "note",
}

# Any of these makes the breathing rate and the chest's distance worthless too; the others concern the heart alone.
CHEST_LOST = frozenset({"radar_fault", "stale", "no_subject", "body_movement"})

MAX_SILENCE_S = 1.0
FAULT_TIMEOUT_S = 5.0
MIN_REPORTED_LOSS_FRACTION = 0.01
MAX_LOSS_FRACTION = 0.10  # of the frames, for the classical estimator
MAX_LOSS_FRACTION_NETWORK = 0.40  # with 31 % lost here and there it is still right (docs/quality.md)
MIN_CONFIDENCE = 0.80  # of the classical rates above it, 95 to 100 % are right, by set (bench/classical.py)
GOOD_CONFIDENCE = 0.90
MIN_BREATHING_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdict rests on. Times in s; `history_s`, since the chest was last lost or moved; `lost_share` of the
    window's frames. `classical`, and where there is a `network` its `beats`, once there are enough; not `sound`: what
    it said is no number.
    """

    silence_s: float
    problem: str | None
    present: bool
    movement: MovementLevel
    history_s: float
    lost_share: float
    breathing: RateEstimate
    classical: RateEstimate
    network: bool
    outputs_finite: bool
    beats: BeatRate | None
    clock_synced: bool


def assess(e: Evidence) -> Quality:
    """Quality of the last window. The first reason that explains the silence hides the ones it causes."""
    flags = []
    if e.problem is not None or e.silence_s > FAULT_TIMEOUT_S:
        flags.append("radar_fault")
    if e.silence_s > MAX_SILENCE_S:
        flags.append("stale")
    elif not e.present:
        flags.append("no_subject")
    elif e.movement != "none":
        flags.append("body_movement")
    elif not e.outputs_finite:
        flags.append("model_uncertain")
    elif e.history_s < WINDOW_S and e.beats is None:
        flags.append("warming_up")
    elif reason := _uncertainty_reason(e):
        flags.append(reason)
    if e.lost_share > MIN_REPORTED_LOSS_FRACTION:
        flags.append("frame_loss")
    if not e.clock_synced:
        flags.append("clock_unsynced")
    severities = {FLAGS[flag] for flag in flags}
    index = round(_trust(e) * (1 - e.lost_share), 3)
    if "unusable" in severities:
        return Quality("unusable", 0.0 if e.silence_s > MAX_SILENCE_S else index * 0.5, tuple(flags))
    return Quality("degraded" if "degraded" in severities or not _is_good(e) else "good", index, tuple(flags))


def trust_features(beats: BeatRate, classical: RateEstimate) -> dict[str, float]:
    """What tells a right rate from a wrong one, as `fitted.json` weighs it."""
    return {
        "left_out": beats.outlier_fraction,
        "entropy": beats.entropy,
        "seconded": classical.confidence if _agrees(classical, beats) else -classical.confidence,
    }


def _uncertainty_reason(e: Evidence) -> UncertaintyReason | None:
    """Why the heart rate cannot be told, of a chest that is there and still."""
    if not e.network:
        usable = e.lost_share <= MAX_LOSS_FRACTION and _trust(e) >= MIN_CONFIDENCE
        return e.classical.uncertainty_reason or (None if usable else "low_snr")
    if e.beats is None or e.lost_share > MAX_LOSS_FRACTION_NETWORK:
        return "low_snr"
    # The classical estimator often cannot tell; where it is sure, it must say the same.
    contradicted = _is_confident(e.classical) and not _agrees(e.classical, e.beats)
    return "model_uncertain" if contradicted or _trust(e) < QUALITY_MODEL.trust.needed else None


def _is_good(e: Evidence) -> bool:
    if e.beats:
        return _trust(e) >= QUALITY_MODEL.trust.good and _agrees(e.classical, e.beats)
    return e.classical.confidence >= GOOD_CONFIDENCE


def _trust(e: Evidence) -> float:
    """0..1; 0 where a sign is not finite."""
    if not e.network:
        return e.classical.confidence if e.classical.confidence > 0 else 0.0
    trust = QUALITY_MODEL.trust.probability(trust_features(e.beats, e.classical)) if e.beats else 0.0
    return trust if trust > 0 else 0.0


def _is_confident(classical: RateEstimate) -> bool:
    return classical.uncertainty_reason is None and classical.confidence >= MIN_CONFIDENCE


def _agrees(classical: RateEstimate, beats: BeatRate) -> bool:
    return classical.bpm is not None and abs(classical.bpm - beats.bpm) <= tolerance_bpm(beats.bpm)


def tolerance_bpm(bpm: float) -> float:
    """Two heart rates that differ by no more are the same."""
    return max(5.0, 0.1 * bpm)
