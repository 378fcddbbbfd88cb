"""Messages of a device, as they arrive at a hub."""

import msgspec

from edge.fhir.device import device_records
from edge.fhir.observation import RATES, ecg_of_message, rate_of_message, rate_of_period
from edge.fhir.records import Record
from edge.mqtt import payloads as p
from edge.mqtt.fields import iso_utc

T_NS = 1_795_196_400_000_000_000  # 2026-11-20T17:40:00Z
TOPIC, ECG_TOPIC, INFO_TOPIC = (f"radarecg/v1/radar-0001/{suffix}" for suffix in ("vitals", "ecg", "info"))
COMMON = {"device": "radar-0001", "boot": "5f0c6a9e"}
MEASURED = {**COMMON, "clock": p.Clock("ptp", True, 42000), "model": p.Model("compact")}
VALID = p.VitalsPayload(
    **MEASURED,
    seq=7,
    t=iso_utc(T_NS),
    t_ns=T_NS,
    window_s=10.0,
    hr=p.HeartRate(valid=True, value=64.2, age_ms=8),
    breathing=p.BreathingRate(valid=True, value=15.0),
    chest_range_m=0.5,
    quality=p.QualityReport("good", 0.93),
    frames=p.Frames(1, 0),
)
MOVING = msgspec.structs.replace(
    VALID,
    hr=p.HeartRate(valid=False, value=None, age_ms=8),
    breathing=p.BreathingRate(valid=False, value=None),
    quality=p.QualityReport("unusable", 0.11, ("body_movement", "frame_loss")),
)
ECG = p.EcgPayload(
    **MEASURED,
    seq=8,
    sample0=0,
    t0=iso_utc(T_NS),
    t0_ns=T_NS,
    fs=200,
    n=6,
    latency_ms=900,
    samples=[12, -3, 990, None, None, 8],
    r_peaks=[2.0],
    confidence=[0.9],
    continues=True,
    quality=p.QualityReport("degraded", 0.5, ("frame_loss",)),
)
INFO = p.Info(
    **COMMON,
    version="0.9.0",
    model=p.Model("classical-1"),
    network=p.Model("compact", "ab" * 32),
    radar_sha256="cd" * 32,
    frame_rate_hz=200.0,
    wavelength_mm=3.9,
    range_bin_m=0.04,
    waveform_fs=50,
    clock=p.Clock("ptp", True, 42000),
    schemas=("radarecg.vitals/1", "radarecg.ecg/1"),
    notice="Not a medical device.",
)


def at(payload: p.VitalsPayload, second: float, bpm: float | None = None, **changes) -> p.VitalsPayload:
    """Return a message so many seconds after T_NS, with a number that follows from it, perhaps with another rate."""
    t_ns = T_NS + round(second * 1e9)
    if bpm is not None:
        changes["hr"] = msgspec.structs.replace(payload.hr, value=bpm)
    return msgspec.structs.replace(payload, t_ns=t_ns, t=iso_utc(t_ns), seq=1000 + round(second), **changes)


def message(seq: int) -> bytes:
    """Return an encoded message with this number, all at the same time."""
    return p.encode(msgspec.structs.replace(VALID, seq=seq))


def ecg_message(seq: int) -> bytes:
    """Return an encoded ECG block with this number."""
    return p.encode(msgspec.structs.replace(ECG, seq=seq))


def records_of(payload, version="R4B", every_s: int | None = None) -> list[Record]:
    """Return the resources of a payload as the bridge makes them: of a message, or of its period."""
    if isinstance(payload, p.Info):
        return device_records(payload, version)
    if isinstance(payload, p.EcgPayload):
        return [ecg_of_message(payload, version)]
    if every_s is None:
        return [rate_of_message(metric, payload) for metric in RATES]
    length_ns = every_s * 10**9
    start_ns = payload.t_ns // length_ns * length_ns
    return [rate_of_period(metric, payload, start_ns, every_s) for metric in RATES]
