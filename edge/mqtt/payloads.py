"""The payloads as structs; `python -m edge.mqtt.schemas` writes from them what `schemas/` says to everyone else.

A payload that would call an unusable or missing heart rate valid cannot be built. `t` is for people and JavaScript,
`t_ns` the same instant exactly; both are the arrival of the last packet of the newest frame behind the payload.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.core.spec import INTENDED_USE, NOT_A_DEVICE, RCG_RATE_HZ
from edge.core.types import MovementLevel, QualityState
from edge.mqtt import fields as f

State = Literal["online", "offline"]
Reason = Literal["started", "stopped", "connection_lost"]


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common to all: which device, which run of it, and that it is not for diagnosis."""

    device: Annotated[str, Meta(pattern=f.DEVICE_PATTERN, description="A serial number, never a person's name")]
    boot: Annotated[
        str, Meta(pattern=f.BOOT_PATTERN, description="Random id of one run of the device; (boot, seq) is unique")
    ]
    intended_use: Annotated[Literal["research"], Meta(description=NOT_A_DEVICE)] = INTENDED_USE


class Clock(msgspec.Struct, frozen=True):
    """Whether time stamps are to be trusted, and to how many nanoseconds."""

    source: Literal["ptp", "ntp", "rtc", "none"]
    synced: bool
    err_ns: f.Count | None = None


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


class BreathingRate(Rate, frozen=True, kw_only=True):
    """Breaths per minute: valid with a value, or not valid and null."""

    value: Annotated[float, Meta(ge=3, le=90)] | None


class HeartRate(Rate, frozen=True, kw_only=True):
    """Beats per minute: valid with a value, or not valid and null. `age_ms`: from the newest frame to publication.

    `ci95`: where the rate lies for 95 %. `n_beats`: behind it; null where it comes from no single beats.
    """

    value: Annotated[float, Meta(ge=20, le=300)] | None
    ci95: tuple[float, float] | None = None
    n_beats: f.Count | None = None
    age_ms: f.Count


class RhythmReport(msgspec.Struct, frozen=True):
    """How the cycles of the last minute vary. `irregular`, as in atrial fibrillation, is a hint and no diagnosis."""

    rmssd_ms: Annotated[float, Meta(ge=0)]
    sdnn_ms: Annotated[float, Meta(ge=0)]
    irregular: bool


class QualityReport(msgspec.Struct, frozen=True):
    """The verdict on the last window, an index 0..1, and the reasons."""

    state: QualityState
    sqi: f.Share
    flags: f.Flags = ()


class Frames(msgspec.Struct, frozen=True):
    """Radar frames since the boot."""

    received: f.Count
    lost: f.Count


class SpoolReport(msgspec.Struct, frozen=True):
    """Messages that wait for the broker and their bytes on disk; since the boot: evicted, and refused by the disk."""

    messages: f.Count
    bytes: f.Count
    evicted: f.Count
    unstored: f.Count


class Status(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.status/1"):
    """Whether the device is there. Retained; also its will, so one that vanishes is said to be offline."""

    state: State
    reason: Reason


class Info(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.info/1"):
    """What the device is. Retained; `radar_sha256` is that of the chirp file, `network` what makes the ECG, if any.

    `network_refused`: why the network that was to replace it was not taken, until one is.
    """

    version: str
    model: Model
    network: Model | None
    network_refused: str | None = None
    radar_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    frame_rate_hz: f.Positive
    wavelength_mm: f.Positive
    range_bin_m: f.Positive
    waveform_fs: int
    waveform_unit: Literal["mm/s2"] = "mm/s2"
    clock: Clock
    schemas: tuple[str, ...]
    notice: str


class VitalsPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.vitals/1"):
    """Heart rate, breathing rate and quality, once a second, valid or not. `window_s`: behind the heart rate."""

    seq: f.Seq
    t: f.Instant
    t_ns: f.InstantNs
    clock: Clock
    window_s: float
    hr: Annotated[HeartRate, Meta(extra_json_schema=f.VALID_OR_NULL)]
    rhythm: RhythmReport | None = None
    breathing: Annotated[BreathingRate, Meta(extra_json_schema=f.VALID_OR_NULL)]
    chest_range_m: Annotated[float, Meta(ge=0)] | None
    movement: MovementLevel = "none"
    quality: QualityReport
    frames: Frames
    model: Model

    def __post_init__(self) -> None:
        if self.quality.state == "unusable" and self.hr.valid:
            raise ValueError("a heart rate cannot be valid while the quality is unusable")


class WaveformPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.waveform/1"):
    """The heart waveform in blocks: envelope of the chest's vibration, a large bump a beat.

    Sample k is `samples[k] * scale` mm/s2, number `sample0 + k` at `fs`. `coverage`: share of the radar frames behind
    the block that came; the rest is interpolated.
    """

    seq: f.Seq
    t: f.Instant
    t_ns: f.InstantNs
    sample0: f.Sample
    fs: int
    n: Annotated[int, Meta(ge=1)]
    unit: Literal["mm/s2"] = "mm/s2"
    scale: f.Positive
    samples: list[int]
    coverage: f.Share
    continues: f.Continues


class EcgPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.ecg/1"):
    """The reconstructed ECG in blocks: sample k is `samples[k] * scale` uV, number `sample0 + k`, at `t0` + k / `fs`.

    Null: not known. The amplitude is not calibrated: a radar cannot tell it, so the QRS complex is made 1 mV high.
    `r_peaks` are numbers of samples, fractions count; `confidence` is that of each. `latency_ms`: from the last
    sample's time to its publication.
    """

    seq: f.Seq
    sample0: f.Sample
    t0: f.Instant
    t0_ns: f.InstantNs
    clock: Clock
    fs: Annotated[int, Meta(extra_json_schema={"const": RCG_RATE_HZ})]
    n: Annotated[int, Meta(ge=1)]
    unit: Literal["uV"] = "uV"
    scale: f.Positive = 1.0
    lead: Annotated[Literal["reconstructed"], Meta(description="No lead of an electrocardiograph")] = "reconstructed"
    amplitude_calibrated: Annotated[bool, Meta(extra_json_schema={"const": False})] = False
    latency_ms: f.Count
    samples: list[int | None]
    r_peaks: list[float]
    confidence: list[f.Share]
    continues: f.Continues
    quality: QualityReport
    model: Model


class EventPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.event/1"):
    """When the quality's state or flags change: what began, what ended, what now holds; `previous` is the state before.

    A body movement lasts from the event where `body_movement` is in `began` to the one where it is in `ended`.
    """

    seq: f.Seq
    t: f.Instant
    t_ns: f.InstantNs
    clock: Clock
    began: f.Flags
    ended: f.Flags
    previous: QualityState
    movement: MovementLevel = "none"
    quality: QualityReport


class HealthPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.health/1"):
    """Twice a minute, retained: counters since the boot. `dropped`: messages neither confirmed nor kept."""

    t: f.Instant
    t_ns: f.InstantNs
    uptime_s: f.Count
    frames: Frames
    connections: f.Count
    dropped: f.Count
    spool: SpoolReport


encode = msgspec.json.Encoder().encode


def schema_of(payload: type[Payload]) -> str:
    """Its name and version, as in radarecg.vitals/1."""
    return str(payload.__struct_config__.tag)
