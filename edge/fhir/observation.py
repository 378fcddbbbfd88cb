"""Conversion of payloads to FHIR Observations, R4B or R5.

They name no patient: the device does not know the person in front of it; only the hub may.

An invalid heart rate becomes an Observation with the reason instead of a value; it is never omitted. The ECG has no
lead code, because it is not a measured lead. The structure follows Observation and SampledData of the FHIR
specification, with codes of LOINC and ISO/IEEE 11073-10101 and units of UCUM.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal, get_args

from edge.core.intended_use import NOT_A_DEVICE
from edge.mqtt.fields import iso_utc
from edge.mqtt.payloads import EcgPayload, VitalsPayload

Version = Literal["R4B", "R5"]
VERSIONS: tuple[Version, ...] = get_args(Version)
MESSAGE_SYSTEM = "urn:radarecg:message"
DEVICE_SYSTEM = "urn:radarecg:device"
_HL7 = "http://terminology.hl7.org/CodeSystem"
_MDC = "urn:iso:std:iso:11073:10101"
_UCUM = "http://unitsofmeasure.org"
_METHOD = "Contactless FMCW radar"

YEARS = (2020, 2100)
"""A measurement before the first or from the second on has the time of a clock that was not set; it is refused."""

Resource = dict[str, Any]


def observation(payload: VitalsPayload | EcgPayload, version: Version) -> Resource:
    """Return the Observation of a message; its unique identifier is device/boot/seq. Raises ValueError."""
    specific = heart_rate(payload) if isinstance(payload, VitalsPayload) else ecg(payload, version)
    quality = payload.quality
    reasons = f" ({_flag_text(quality.flags)})" if quality.flags else ""
    return {
        "resourceType": "Observation",
        "identifier": [{"system": MESSAGE_SYSTEM, "value": f"{payload.device}/{payload.boot}/{payload.seq}"}],
        "status": "preliminary",
        **specific,
        "device": {"type": "Device", "identifier": {"system": DEVICE_SYSTEM, "value": payload.device}},
        "note": [{"text": f"Signal quality {quality.state}{reasons}, index {quality.sqi:.2f}. {NOT_A_DEVICE}"}],
    }


def heart_rate(vitals: VitalsPayload) -> Resource:
    """Return the fields specific to a heart rate: its value, or why there is none."""
    if vitals.hr.value is not None:
        value: Resource = {"valueQuantity": {"value": vitals.hr.value, **_unit("/min", "beats/minute")}}
    else:
        reason = {"system": f"{_HL7}/data-absent-reason", "code": "error", "display": "Error"}
        text = _flag_text(vitals.quality.flags) or "no reliable estimate"
        value = {"dataAbsentReason": {"coding": [reason], "text": text}}
    return {
        "category": [_category("vital-signs")],
        "code": {
            "coding": [
                {"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"},
                {"system": _MDC, "code": "147842", "display": "MDC_ECG_HEART_RATE"},
            ]
        },
        "effectiveDateTime": _milliseconds(vitals.t_ns),
        "method": {"text": f"{_METHOD}, {vitals.model.id}"},
        **value,
    }


def ecg(block: EcgPayload, version: Version) -> Resource:
    """Return the fields specific to an ECG block: SampledData in mV, with E for unknown samples."""
    interval_ms = 1000 / block.fs
    interval = {"period": interval_ms} if version == "R4B" else {"interval": interval_ms, "intervalUnit": "ms"}
    end_ns = block.t0_ns + block.n * 1_000_000_000 // block.fs
    samples = {
        "origin": {"value": 0, **_unit("mV", "mV")},
        **interval,
        "factor": block.scale / 1000,
        "dimensions": 1,
        "data": " ".join("E" if sample is None else str(sample) for sample in block.samples),
    }
    return {
        "category": [_category("procedure")],
        "code": {
            "coding": [{"system": _MDC, "code": "131328", "display": "MDC_ECG_ELEC_POTL"}],
            "text": "ECG reconstructed from a radar's view of the chest: not a measured lead, amplitude not calibrated",
        },
        "effectivePeriod": {"start": _milliseconds(block.t0_ns), "end": _milliseconds(end_ns)},
        "method": {"text": f"{_METHOD}, reconstruction by {block.model.id}"},
        "component": [
            {
                "code": {"coding": [{"system": "urn:radarecg:code", "code": "reconstructed-ecg"}]},
                "valueSampledData": samples,
            }
        ],
    }


def _category(code: str) -> Resource:
    return {"coding": [{"system": f"{_HL7}/observation-category", "code": code}]}


def _unit(code: str, unit: str) -> Resource:
    return {"unit": unit, "system": _UCUM, "code": code}


def _milliseconds(t_ns: int) -> str:
    start_ns, end_ns = (int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) * 10**9 for year in YEARS)
    if not start_ns <= t_ns < end_ns:
        raise ValueError(f"its time, {t_ns} ns since 1970, is before {YEARS[0]} or after {YEARS[1] - 1}: set its clock")
    return f"{iso_utc(t_ns)[:-4]}Z"


def _flag_text(flags: tuple[str, ...]) -> str:
    return ", ".join(flag.replace("_", " ") for flag in flags)
