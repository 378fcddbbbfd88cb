"""Conversion of a device's `info` to a Device and a DeviceMetric for each quantity that it measures, R4, R4B or R5."""

from __future__ import annotations

from edge.core.intended_use import NOT_A_DEVICE
from edge.fhir.records import Record
from edge.fhir.terms import (
    BREATHING_RATE,
    DEVICE_SYSTEM,
    ECG,
    HEART_RATE,
    METHOD,
    METRIC_SYSTEM,
    Metric,
    Resource,
    Version,
    device_reference,
)
from edge.mqtt.payloads import Info

_ECG_SCHEMA = "radarecg.ecg/1"


def device_records(info: Info, version: Version) -> list[Record]:
    """Return the Device and its DeviceMetrics; their identifiers are those that Observations refer to."""
    metrics = [HEART_RATE, BREATHING_RATE, *([ECG] if _ECG_SCHEMA in info.schemas else [])]
    resources = {"device": _device(info, version)}
    resources |= {f"metric-{metric.name}": _metric(metric, info.device, version) for metric in metrics}
    return [Record(resource, "update", info.device, 0, 0, "", name) for name, resource in resources.items()]


def _device(info: Info, version: Version) -> Resource:
    versions = {"radarecg": info.version, "model": info.model.id, "chirp file (SHA-256)": info.radar_sha256}
    if info.network is not None:
        versions["network"] = info.network.id
        if info.network.sha256 is not None:
            versions["network (SHA-256)"] = info.network.sha256
    text, name = {"text": METHOD}, {"type": "user-friendly-name"}
    kind: Resource
    if version == "R5":
        kind = {"name": [{"value": info.device, **name}], "type": [text]}
    else:
        kind = {"deviceName": [{"name": info.device, **name}], "type": text}
    return {
        "resourceType": "Device",
        "identifier": [{"system": DEVICE_SYSTEM, "value": info.device}],
        "status": "active",
        "serialNumber": info.device,
        **kind,
        "version": [{"type": {"text": what}, "value": value} for what, value in versions.items()],
        "note": [{"text": NOT_A_DEVICE}],
    }


def _metric(metric: Metric, device: str, version: Version) -> Resource:
    owner = "device" if version == "R5" else "source"
    return {
        "resourceType": "DeviceMetric",
        "identifier": [{"system": METRIC_SYSTEM, "value": f"{device}/{metric.name}"}],
        "type": {"coding": list(metric.codes)},
        "unit": {"coding": [metric.unit_mdc]},
        owner: device_reference(device),
        "category": "calculation",
    }
