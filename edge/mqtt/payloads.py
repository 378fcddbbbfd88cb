"""The payloads as structs; `schemas/*.schema.json` says the same to everyone else.

A payload that would call an unusable or missing heart rate valid cannot be built. `t` is for people and JavaScript,
`t_ns` the same instant exactly; both are the arrival of the last packet of the newest frame behind the payload.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Literal

import msgspec

from edge.frames import QualityState
from edge.spec import INTENDED_USE

State = Literal["online", "offline"]
Reason = Literal["started", "stopped", "connection_lost"]


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common to all: which device, which run of it, and that it is not for diagnosis."""

    device: str
    boot: str
    intended_use: Literal["research"] = INTENDED_USE


class Clock(msgspec.Struct, frozen=True):
    """Whether time stamps are to be trusted, and to how many nanoseconds."""

    source: Literal["ptp", "ntp", "rtc", "none"]
    synced: bool
    err_ns: int | None = None


class Model(msgspec.Struct, frozen=True):
    """What computed the values; no sha256 for the classical estimator."""

    id: str
    sha256: str | None = None


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate per minute: valid with a value, or not valid and null."""

    valid: bool
    value: float | None
    unit: Literal["/min"] = "/min"

    def __post_init__(self) -> None:
        if self.valid != (self.value is not None):
            raise ValueError("a valid rate has a value, an invalid one is null")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError("a rate is a number")


class HeartRate(Rate, frozen=True, kw_only=True):
    """`age_ms`: from the newest frame behind the value to its publication."""

    ci95: tuple[float, float] | None = None
    n_beats: int | None = None
    age_ms: int


class QualityReport(msgspec.Struct, frozen=True):
    """See `edge.vitals.quality`."""

    state: QualityState
    sqi: float
    flags: tuple[str, ...] = ()


class Frames(msgspec.Struct, frozen=True):
    """Radar frames since the boot."""

    received: int
    lost: int


class Status(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.status/1"):
    """Retained; also the will, so a device that vanishes is said to be offline."""

    state: State
    reason: Reason


class Info(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.info/1"):
    """Retained; what this device is. `radar_sha256` is that of the chirp file, `network` what makes the ECG, if any."""

    version: str
    model: Model
    network: Model | None
    radar_sha256: str
    frame_rate_hz: float
    wavelength_mm: float
    range_bin_m: float
    waveform_fs: int
    waveform_unit: str
    clock: Clock
    schemas: tuple[str, ...]
    notice: str


class VitalsPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.vitals/1"):
    """Once a second, valid or not."""

    seq: int
    t: str
    t_ns: int
    clock: Clock
    window_s: float
    hr: HeartRate
    breathing: Rate
    chest_range_m: float | None
    quality: QualityReport
    frames: Frames
    model: Model

    def __post_init__(self) -> None:
        if self.quality.state == "unusable" and self.hr.valid:
            raise ValueError("a heart rate cannot be valid while the quality is unusable")


class WaveformPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.waveform/1"):
    """The heart waveform in blocks: sample k is `samples[k] * scale` mm/s2, number `sample0 + k` at `fs`."""

    seq: int
    t: str
    t_ns: int
    sample0: int
    fs: int
    n: int
    unit: Literal["mm/s2"] = "mm/s2"
    scale: float
    samples: list[int]
    coverage: float
    continues: bool


class EcgPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.ecg/1"):
    """The reconstructed ECG in blocks: sample k is `samples[k] * scale` uV, number `sample0 + k`, at `t0` + k / `fs`.

    Null: not known. The amplitude is not calibrated: a radar cannot tell it, so the QRS complex is made 1 mV high.
    `r_peaks` are numbers of samples, fractions count; `confidence` is that of each.
    """

    seq: int
    sample0: int
    t0: str
    t0_ns: int
    clock: Clock
    fs: int
    n: int
    unit: Literal["uV"] = "uV"
    scale: float = 1.0
    lead: Literal["reconstructed"] = "reconstructed"
    amplitude_calibrated: Literal[False] = False
    latency_ms: int
    samples: list[int | None]
    r_peaks: list[float]
    confidence: list[float]
    continues: bool
    quality: QualityReport
    model: Model


def iso_utc(t_ns: int) -> str:
    """RFC 3339 with microseconds, as in 2026-11-20T17:40:00.000000Z."""
    seconds, rest_ns = divmod(t_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}Z"


encode = msgspec.json.Encoder().encode
