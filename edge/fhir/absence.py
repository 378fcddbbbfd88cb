"""Why a rate has no value: the code of FHIR's value set data-absent-reason for each quality flag.

The codes are those of http://terminology.hl7.org/CodeSystem/data-absent-reason: `error` is a fault of the system,
`not-performed` means that nobody was measured, `temp-unknown` that the value will be known as soon as the cause ends,
and `unknown` that a value exists but could not be determined.
"""

from __future__ import annotations

from edge.core.types import QualityFlag
from edge.fhir.terms import HL7, Resource, coding
from edge.mqtt.fields import CHEST_LOST_FLAGS
from edge.mqtt.payloads import VitalsPayload

SYSTEM = f"{HL7}/data-absent-reason"
UNKNOWN = "unknown"
DISPLAYS = {
    "error": "Error",
    "not-performed": "Not Performed",
    "temp-unknown": "Temporarily Unknown",
    UNKNOWN: "Unknown",
}
REASONS: dict[QualityFlag, str] = {
    "radar_fault": "error",
    "stale": "error",
    "no_subject": "not-performed",
    "body_movement": "temp-unknown",
    "warming_up": "temp-unknown",
    "low_snr": UNKNOWN,
    "model_uncertain": UNKNOWN,
    "frame_loss": "error",
    "clock_unsynced": UNKNOWN,  # this flag and the next never invalidate a rate by themselves
    "network_failed": UNKNOWN,
}
"""The first flag of this table that is set gives the code; a flag of another version of radarecg gives `unknown`."""


def heart_rate_absence(vitals: VitalsPayload) -> Resource:
    """Return the dataAbsentReason of an invalid heart rate."""
    return _absence(vitals.quality.flags)


def breathing_rate_absence(vitals: VitalsPayload) -> Resource:
    """Return the dataAbsentReason of an invalid breathing rate, which only some of the flags concern."""
    return _absence(tuple(flag for flag in vitals.quality.flags if flag in CHEST_LOST_FLAGS))


def flag_text(flags: tuple[str, ...]) -> str:
    """Return the flags in words."""
    return ", ".join(flag.replace("_", " ") for flag in flags)


def _absence(flags: tuple[str, ...]) -> Resource:
    code = next((reason for flag, reason in REASONS.items() if flag in flags), UNKNOWN)
    return {"coding": [coding(SYSTEM, code, DISPLAYS[code])], "text": flag_text(flags) or "no reliable estimate"}
