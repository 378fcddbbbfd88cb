"""Conversion of payloads to FHIR Observations.

They name no patient, since the device does not know the person in front of it; the hub adds the subject
(`edge.fhir.subjects`).

An invalid rate becomes an Observation with the reason instead of a value; it is never omitted. The ECG has no lead
code, because it is not a measured lead. The structure follows Observation and SampledData of the FHIR specification,
and of rates the profile Vital Signs (http://hl7.org/fhir/R4/vitalsigns.html).
"""

from __future__ import annotations

from datetime import datetime, timezone

from edge.core.intended_use import NOT_A_DEVICE
from edge.fhir.absence import breathing_rate_absence, flag_text, heart_rate_absence
from edge.fhir.records import Handling, Record
from edge.fhir.terms import (
    BREATHING_RATE,
    ECG,
    HEART_RATE,
    HL7,
    MESSAGE_SYSTEM,
    METHOD,
    PERIOD_SYSTEM,
    Metric,
    Resource,
    Version,
    device_reference,
)
from edge.mqtt.fields import iso_utc
from edge.mqtt.payloads import EcgPayload, QualityReport, VitalsPayload

YEARS = (2020, 2100)
"""A measurement before the first or from the second on has the time of a clock that was not set; it is refused."""
_START_NS, _END_NS = (int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) * 10**9 for year in YEARS)

RATES = (HEART_RATE, BREATHING_RATE)


def rate_of_message(metric: Metric, vitals: VitalsPayload) -> Record:
    """Return the Observation of a rate in a message. Raises ValueError.

    The identifier of a heart rate is device/boot/seq; that of a breathing rate has its name in addition.
    """
    name, identifier = f"{vitals.boot}-{vitals.seq}", f"{vitals.device}/{vitals.boot}/{vitals.seq}"
    if metric is not HEART_RATE:
        name, identifier = f"{name}-{metric.name}", f"{identifier}/{metric.name}"
    resource = _rate(metric, vitals, {"system": MESSAGE_SYSTEM, "value": identifier}, "")
    return _record(resource, vitals, "create", iso_utc(vitals.t_ns)[:10], name)


def rate_of_period(metric: Metric, vitals: VitalsPayload, start_ns: int, every_s: int) -> Record:
    """Return the Observation that represents a rate in the period from `start_ns`: that of one of its messages.

    Its identifier has the period's start and length instead of a message's number, so every message of the period gives
    the same one. Raises ValueError.
    """
    start = iso_utc(start_ns)[:19]
    identifier = f"{vitals.device}/{start}Z/{every_s}s/{metric.name}"
    remark = f"Represents the {every_s} s from {start}Z. "
    resource = _rate(metric, vitals, {"system": PERIOD_SYSTEM, "value": identifier}, remark)
    name = f"{start[11:].replace(':', '')}-{every_s}s-{metric.name}"
    return _record(resource, vitals, "fill" if "valueQuantity" in resource else "create", start[:10], name)


def ecg_of_message(block: EcgPayload, version: Version) -> Record:
    """Return the Observation of an ECG block: SampledData in mV, with E for unknown samples. Raises ValueError."""
    interval_ms = 1000 / block.fs
    interval = {"interval": interval_ms, "intervalUnit": "ms"} if version == "R5" else {"period": interval_ms}
    end_ns = block.t0_ns + block.n * 1_000_000_000 // block.fs
    samples = {
        "origin": ECG.quantity(0),
        **interval,
        "factor": block.scale / 1000,
        "dimensions": 1,
        "data": " ".join("E" if sample is None else str(sample) for sample in block.samples),
    }
    identifier = {"system": MESSAGE_SYSTEM, "value": f"{block.device}/{block.boot}/{block.seq}"}
    text = "ECG reconstructed from a radar's view of the chest: not a measured lead, amplitude not calibrated"
    resource = {
        "resourceType": "Observation",
        "identifier": [identifier],
        "status": "preliminary",
        "category": [_category("procedure")],
        "code": {"coding": list(ECG.codes), "text": text},
        "effectivePeriod": {"start": _milliseconds(block.t0_ns), "end": _milliseconds(end_ns)},
        "method": {"text": f"{METHOD}, reconstruction by {block.model.id}"},
        "device": device_reference(block.device),
        "note": _note(block.quality, ""),
        "component": [
            {
                "code": {"coding": [{"system": "urn:radarecg:code", "code": "reconstructed-ecg"}]},
                "valueSampledData": samples,
            }
        ],
    }
    day, name = iso_utc(block.t0_ns)[:10], f"{block.boot}-{block.seq}"
    return Record(resource, "create", block.device, block.t0_ns, end_ns, day, name)


def check_time(t_ns: int) -> None:
    """Raise ValueError for the time of a clock that was not set."""
    if not _START_NS <= t_ns < _END_NS:
        raise ValueError(f"its time, {t_ns} ns since 1970, is before {YEARS[0]} or after {YEARS[1] - 1}: set its clock")


def is_valid(metric: Metric, vitals: VitalsPayload) -> bool:
    """Return whether the message has a valid rate."""
    return (vitals.hr if metric is HEART_RATE else vitals.breathing).valid


def _rate(metric: Metric, vitals: VitalsPayload, identifier: Resource, remark: str) -> Resource:
    if metric is HEART_RATE:
        value, absence = vitals.hr.value, heart_rate_absence
    else:
        value, absence = vitals.breathing.value, breathing_rate_absence
    result = {"dataAbsentReason": absence(vitals)} if value is None else {"valueQuantity": metric.quantity(value)}
    return {
        "resourceType": "Observation",
        "identifier": [identifier],
        "status": "preliminary",
        "category": [_category("vital-signs")],
        "code": {"coding": list(metric.codes)},
        "effectiveDateTime": _milliseconds(vitals.t_ns),
        **result,
        "method": {"text": f"{METHOD}, {vitals.model.id}"},
        "device": device_reference(vitals.device),
        "note": _note(vitals.quality, remark),
    }


def _record(resource: Resource, vitals: VitalsPayload, handling: Handling, day: str, name: str) -> Record:
    start_ns = vitals.t_ns - round(vitals.window_s * 1e9)
    return Record(resource, handling, vitals.device, start_ns, vitals.t_ns, day, name)


def _note(quality: QualityReport, remark: str) -> list[Resource]:
    reasons = f" ({flag_text(quality.flags)})" if quality.flags else ""
    text = f"{remark}Signal quality {quality.state}{reasons}, index {quality.sqi:.2f}. {NOT_A_DEVICE}"
    return [{"text": text}]


def _category(code: str) -> Resource:
    return {"coding": [{"system": f"{HL7}/observation-category", "code": code}]}


def _milliseconds(t_ns: int) -> str:
    check_time(t_ns)
    return f"{iso_utc(t_ns)[:-4]}Z"
