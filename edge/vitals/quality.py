"""Quality of the last window: good, degraded or unusable, an index, and the reasons as flags.

A flag of severity `unusable` invalidates the heart rate, `degraded` lowers its quality, and `note` does not concern
the signal. A heart rate is published unless the quality is `unusable`.
To add a flag, add its name to `QualityFlag`, a row to FLAGS, and a condition to `assess`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.core.spec import WINDOW_S
from edge.core.types import BeatRate, MovementLevel, Quality, QualityFlag, RateEstimate, UncertaintyReason
from edge.vitals.quality_model import QUALITY_MODEL

Severity = Literal["unusable", "degraded", "note"]

FLAGS: dict[QualityFlag, Severity] = {
    "radar_fault": "unusable",
    "stale": "unusable",
    "no_subject": "unusable",
    "body_movement": "unusable",
    "warming_up": "unusable",
    "low_snr": "unusable",
    "model_uncertain": "unusable",
    "frame_loss": "degraded",
    "clock_unsynced": "note",
    "network_failed": "note",  # the classical estimator has its own limits of confidence
}

# Flags that also invalidate the breathing rate and the chest's range. All others concern the heart rate only.
CHEST_LOST: frozenset[QualityFlag] = frozenset({"radar_fault", "stale", "no_subject", "body_movement"})

MAX_SILENCE_S = 1.0
FAULT_TIMEOUT_S = 5.0
MIN_REPORTED_LOSS_FRACTION = 0.01
MAX_LOSS_FRACTION = 0.10  # for the classical estimator
MAX_LOSS_FRACTION_NETWORK = 0.40  # the network is still right with 31 % lost at random (docs/quality.md)
MIN_CONFIDENCE = 0.80  # 95 to 100 % of the classical rates above it are right (bench/classical.py)
GOOD_CONFIDENCE = 0.90
MIN_BREATHING_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """Input of `assess`.

    silence_s: time since the last frame. history_s: time since the chest was last lost or moved. lost_fraction: part
    of the window's frames that were lost. classical: rate without a network. network: whether a network runs;
    outputs_finite: whether its latest outputs are finite; beats: the rate from its beats, once there are enough;
    network_failed: there should be a network, but it runs on no backend.
    """

    silence_s: float
    problem: str | None
    present: bool
    movement: MovementLevel
    history_s: float
    lost_fraction: float
    breathing: RateEstimate
    classical: RateEstimate
    network: bool
    outputs_finite: bool
    beats: BeatRate | None
    clock_synced: bool
    network_failed: bool = False


def assess(e: Evidence) -> Quality:
    """Return the quality of the last window. A flag hides the other flags that its cause would also raise."""
    flags: list[QualityFlag] = []
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
    if e.lost_fraction > MIN_REPORTED_LOSS_FRACTION:
        flags.append("frame_loss")
    if not e.clock_synced:
        flags.append("clock_unsynced")
    if e.network_failed:
        flags.append("network_failed")
    severities = {FLAGS[flag] for flag in flags}
    index = round(_trust(e) * (1 - e.lost_fraction), 3)
    if "unusable" in severities:
        return Quality("unusable", 0.0 if e.silence_s > MAX_SILENCE_S else index * 0.5, tuple(flags))
    return Quality("degraded" if "degraded" in severities or not _is_good(e) else "good", index, tuple(flags))


def trust_features(beats: BeatRate, classical: RateEstimate) -> dict[str, float]:
    """Return the features that separate right rates from wrong ones, by the names in `fitted.json`."""
    return {
        "left_out": beats.outlier_fraction,
        "entropy": beats.entropy,
        "seconded": classical.confidence if _agrees(classical, beats) else -classical.confidence,
    }


def _uncertainty_reason(e: Evidence) -> UncertaintyReason | None:
    """Return why the heart rate of a chest that is present and still is uncertain; None if it is not."""
    if not e.network:
        is_usable = e.lost_fraction <= MAX_LOSS_FRACTION and _trust(e) >= MIN_CONFIDENCE
        return e.classical.uncertainty_reason or (None if is_usable else "low_snr")
    if e.beats is None or e.lost_fraction > MAX_LOSS_FRACTION_NETWORK:
        return "low_snr"
    # The classical estimator often has no result. When its confidence is above the threshold, it must agree.
    contradicted = _is_confident(e.classical) and not _agrees(e.classical, e.beats)
    return "model_uncertain" if contradicted or _trust(e) < QUALITY_MODEL.trust.needed else None


def _is_good(e: Evidence) -> bool:
    if e.beats:
        return _trust(e) >= QUALITY_MODEL.trust.good and _agrees(e.classical, e.beats)
    return e.classical.confidence >= GOOD_CONFIDENCE


def _trust(e: Evidence) -> float:
    """Return the confidence in the heart rate, 0..1; 0 if a feature is not finite."""
    if not e.network:
        return e.classical.confidence if e.classical.confidence > 0 else 0.0
    trust = QUALITY_MODEL.trust.probability(trust_features(e.beats, e.classical)) if e.beats else 0.0
    return trust if trust > 0 else 0.0


def _is_confident(classical: RateEstimate) -> bool:
    return classical.uncertainty_reason is None and classical.confidence >= MIN_CONFIDENCE


def _agrees(classical: RateEstimate, beats: BeatRate) -> bool:
    return classical.bpm is not None and abs(classical.bpm - beats.bpm) <= tolerance_bpm(beats.bpm)


def tolerance_bpm(bpm: float) -> float:
    """Return the largest difference at which two heart rates count as equal."""
    return max(5.0, 0.1 * bpm)
