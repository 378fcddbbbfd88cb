"""Quality of the last window: good, degraded or unusable, an index, and the reasons as flags.

A flag of severity `unusable` invalidates the heart rate, `degraded` lowers its quality, and `note` does not concern
the signal. A heart rate is published unless the quality is `unusable`.
To add a flag, add its name to `QualityFlag`, a row to FLAGS, and a condition to `assess`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.core.spec import WINDOW_S
from edge.core.types import BeatRate, MovementLevel, Quality, QualityFlag, RateEstimate, UncertaintyReason
from edge.vitals.quality_model import QUALITY_MODEL
from edge.vitals.rate_evidence import MOTION_SOURCES, RATES_BPM, RateEvidence
from edge.vitals.rate_tracker import refine

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
    "network_failed": "note",  # the evidence of the motion alone can be enough
}

# Flags that also invalidate the breathing rate and the chest's range. All others concern the heart rate only.
CHEST_LOST: frozenset[QualityFlag] = frozenset({"radar_fault", "stale", "no_subject", "body_movement"})

MAX_SILENCE_S = 1.0
FAULT_TIMEOUT_S = 5.0
MIN_REPORTED_LOSS_FRACTION = 0.01
MAX_LOSS_FRACTION = 0.10  # without a network
MAX_LOSS_FRACTION_NETWORK = 0.40  # the network is still right with 31 % lost at random (docs/quality.md)
MIN_BREATHING_CONFIDENCE = 0.5
HARMONICS = (2, 3, 4, 5)  # of breathing; strong when breathing is shallow or irregular
SPEED_HARMONIC = 2  # the chest is fastest twice a breath, and so is noise caused by its speed: even the envelope has it
HARMONIC_FRACTION = 0.05
MIN_STRENGTH = 0.35  # of envelope or pulse; noise stays near 0.2, a clean beat is near 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """Input of `assess`.

    silence_s: time since the last frame. history_s: time since the chest was last lost or moved. lost_fraction: part
    of the window's frames that were lost. sources: evidence about the heart rate, and `rate`, the tracker's result of
    it. network: whether a network runs; outputs_finite: whether its latest outputs are finite; beats: the rate from its
    beats, once there are enough; network_failed: there should be a network, but it runs on no backend.
    """

    silence_s: float
    problem: str | None
    present: bool
    movement: MovementLevel
    history_s: float
    lost_fraction: float
    breathing: RateEstimate
    sources: Mapping[str, RateEvidence]
    rate: RateEstimate
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
    elif not _is_reliable(e):
        flags.append("warming_up" if e.history_s < WINDOW_S else _uncertainty_reason(e))
    if e.lost_fraction > MIN_REPORTED_LOSS_FRACTION:
        flags.append("frame_loss")
    if not e.clock_synced:
        flags.append("clock_unsynced")
    if e.network_failed:
        flags.append("network_failed")
    severities = {FLAGS[flag] for flag in flags}
    index = round(_confidence(e) * (1 - e.lost_fraction), 3)
    if "unusable" in severities:
        return Quality("unusable", 0.0 if e.silence_s > MAX_SILENCE_S else index * 0.5, tuple(flags))
    is_good = "degraded" not in severities and _confidence(e) >= QUALITY_MODEL.tracker.good
    return Quality("good" if is_good else "degraded", index, tuple(flags))


def _is_reliable(e: Evidence) -> bool:
    max_loss = MAX_LOSS_FRACTION_NETWORK if e.network else MAX_LOSS_FRACTION
    is_confident = e.lost_fraction <= max_loss and _confidence(e) >= QUALITY_MODEL.tracker.needed
    return is_confident and not _may_be_breathing(e)


def _may_be_breathing(e: Evidence) -> bool:
    """Return whether the rate is at a harmonic of breathing, and neither beats nor the vibration confirm it."""
    if e.rate.bpm is None or e.breathing.bpm is None or refine(e.rate, e.beats)[1]:
        return False
    of_breathing = e.rate.bpm / e.breathing.bpm
    harmonics = [k for k in HARMONICS if abs(of_breathing - k) < HARMONIC_FRACTION * of_breathing]
    if not harmonics or "envelope" not in e.sources:
        return bool(harmonics)
    at_rate = np.interp(e.rate.bpm, RATES_BPM, e.sources["envelope"].features[0])
    return SPEED_HARMONIC in harmonics or bool(at_rate < MIN_STRENGTH)


def _confidence(e: Evidence) -> float:
    return e.rate.confidence if e.rate.confidence > 0 else 0.0  # also for NaN


def _uncertainty_reason(e: Evidence) -> UncertaintyReason:
    """Return whether the motion has no clear period, or has one that other evidence contradicts."""
    strengths = [e.sources[name].strength for name in MOTION_SOURCES if name in e.sources]
    is_clear = e.lost_fraction <= MAX_LOSS_FRACTION and max(strengths, default=0.0) >= MIN_STRENGTH
    return "model_uncertain" if is_clear else "low_snr"


def tolerance_bpm(bpm: float) -> float:
    """Return the largest difference at which two heart rates count as equal."""
    return max(5.0, 0.1 * bpm)
