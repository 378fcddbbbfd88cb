"""MQTT payloads as structs; `python -m edge.mqtt.schemas` writes the JSON Schemas in `schemas/` from them.

Constructing a payload with a valid heart rate that is missing, or of unusable quality, raises ValueError. `t` is for
humans and JavaScript, `t_ns` the same instant exactly: when the last packet of the newest frame used arrived.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from msgspec import Meta, Struct, json

from edge.core.intended_use import INTENDED_USE, NOT_A_DEVICE
from edge.core.spec import RCG_RATE_HZ
from edge.core.types import MovementLevel, QualityState
from edge.mqtt import fields as f
from edge.mqtt.device_report import DeviceReport, HistoryReport, SpoolReport

State = Literal["online", "offline"]
Reason = Literal["started", "stopped", "connection_lost"]


class Payload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of every payload: the device, its run, and that the data are not for diagnosis."""

    device: Annotated[str, Meta(pattern=f.DEVICE_PATTERN, description="A serial number, never a person's name")]
    boot: f.Boot
    intended_use: Annotated[Literal["research"], Meta(description=NOT_A_DEVICE)] = INTENDED_USE


class Clock(Struct, frozen=True):
    """Whether the clock is synchronised, and its estimated error in nanoseconds."""

    source: f.ClockSource
    synced: bool
    err_ns: f.Count | None = None


class Model(Struct, frozen=True):
    """The network or estimator that computed the values; the classical estimator has no sha256."""

    id: f.ModelId
    sha256: f.Digest | None = None


class Rate(Struct, frozen=True, kw_only=True):
    """A rate per minute; null if and only if it is invalid."""

    valid: bool
    value: float | None
    unit: Literal["/min"] = "/min"

    def __post_init__(self) -> None:
        if self.valid != (self.value is not None):
            raise ValueError("a valid rate must have a value; an invalid rate must be null")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError("a rate must be finite")


class BreathingRate(Rate, frozen=True, kw_only=True):
    """Breaths per minute; null if and only if the rate is invalid."""

    value: Annotated[float, Meta(ge=3, le=90)] | None


class HeartRate(Rate, frozen=True, kw_only=True):
    """Beats per minute; null if and only if the rate is invalid. `age_ms`: from the newest frame to publication.

    `ci95`: 95 % confidence interval. `n_beats`: number of beats used; null if not computed from single beats.
    """

    value: Annotated[float, Meta(ge=20, le=300)] | None
    ci95: tuple[float, float] | None = None
    n_beats: f.Count | None = None
    age_ms: f.Count


class RhythmReport(Struct, frozen=True):
    """Heart rate variability of the last minute. `irregular`, as in atrial fibrillation, is a hint, not a diagnosis."""

    rmssd_ms: Annotated[float, Meta(ge=0)]
    sdnn_ms: Annotated[float, Meta(ge=0)]
    irregular: bool


class QualityReport(Struct, frozen=True):
    """Signal quality of the last window: state, index 0..1, and the reasons as flags."""

    state: QualityState
    sqi: f.Share
    flags: f.Flags = ()


class Frames(Struct, frozen=True):
    """Radar frames since the boot."""

    received: f.Count
    lost: f.Count


class Status(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.status/1"):
    """Whether the device is online. Retained; the device's MQTT will publishes "offline" if its connection is lost."""

    state: State
    reason: Reason


class Info(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.info/1"):
    """Description of the device. Retained; `radar_sha256`: of the chirp file; `network`: that of the ECG, if any.

    `network_refused`: why the last replacement of the network was refused; null after a successful one.
    `network_backend`: where the network runs; `network_fallback`: why not on the configured backend, null if it does.
    """

    version: str
    model: Model
    network: Model | None
    network_refused: str | None = None
    network_backend: str | None = None
    network_fallback: str | None = None
    personalised: Annotated[bool, Meta(description="The ECG's times are shifted to one person")] = False
    replayed: f.Replayed = False
    radar_sha256: f.Digest
    frame_rate_hz: f.Positive
    wavelength_mm: f.Positive
    range_bin_m: f.Positive
    waveform_fs: int
    waveform_unit: Literal["mm/s2"] = "mm/s2"
    clock: Clock
    schemas: tuple[str, ...]
    notice: str


class VitalsPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.vitals/1"):
    """Heart rate, breathing rate and quality, once a second, valid or not. `window_s`: of the heart rate."""

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
    replayed: f.Replayed = False

    def __post_init__(self) -> None:
        flags = set(self.quality.flags)
        if self.hr.valid and (self.quality.state == "unusable" or flags & f.UNUSABLE_FLAGS):
            raise ValueError("a heart rate cannot be valid while the quality is unusable")
        if self.breathing.valid and flags & f.CHEST_LOST_FLAGS:
            raise ValueError("a breathing rate cannot be valid without a chest at rest")


class WaveformPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.waveform/1"):
    """The heart waveform in blocks: the envelope of the chest's vibration, with one large peak per beat.

    Sample k is `samples[k] * scale` mm/s2, number `sample0 + k` at `fs`. `coverage`: fraction of the block's radar
    frames that were received; the rest is interpolated.
    """

    seq: f.Seq
    t: f.Instant
    t_ns: f.InstantNs
    sample0: f.Sample
    fs: Annotated[int, Meta(ge=1, le=1000)]
    n: Annotated[int, Meta(ge=1)]
    unit: Literal["mm/s2"] = "mm/s2"
    scale: f.Positive
    samples: list[f.Amplitude]
    coverage: f.Share
    continues: f.Continues

    def __post_init__(self) -> None:
        if self.n != len(self.samples):
            raise ValueError("n must be the number of samples")


class EcgPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.ecg/1"):
    """The reconstructed ECG in blocks: sample k is `samples[k] * scale` uV, number `sample0 + k`, at `t0` + k / `fs`.

    A null sample is unknown. The amplitude is not calibrated, since a radar cannot measure it: the QRS complex is
    scaled to 1 mV. `r_peaks`: fractional sample numbers; `confidence`: one value per R peak. `latency_ms`: from the
    time of the last sample to publication.
    """

    seq: f.Seq
    sample0: f.Sample
    t0: f.Instant
    t0_ns: f.InstantNs
    clock: Clock
    fs: Annotated[int, Meta(ge=RCG_RATE_HZ, le=RCG_RATE_HZ)]
    n: Annotated[int, Meta(ge=1)]
    unit: Literal["uV"] = "uV"
    scale: f.Positive = 1.0
    lead: Annotated[Literal["reconstructed"], Meta(description="Not a lead of an electrocardiograph")] = "reconstructed"
    amplitude_calibrated: Annotated[bool, Meta(extra_json_schema={"const": False})] = False
    latency_ms: f.Count
    samples: list[f.Amplitude | None]
    r_peaks: list[float]
    confidence: list[f.Share]
    continues: f.Continues
    quality: QualityReport
    model: Model
    replayed: f.Replayed = False

    def __post_init__(self) -> None:
        if self.n != len(self.samples) or len(self.r_peaks) != len(self.confidence):
            raise ValueError("n must be the number of samples, and every R peak must have a confidence")


class EventPayload(Payload, frozen=True, kw_only=True, tag_field="schema", tag="radarecg.event/1"):
    """A change of the quality's state or flags: flags that began and ended, and the new and previous state.

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
    """Counters since the boot, retained, twice a minute. `dropped`: messages neither confirmed nor spooled."""

    t: f.Instant
    t_ns: f.InstantNs
    uptime_s: f.Count
    frames: Frames
    connections: f.Count
    dropped: f.Count
    spool: SpoolReport
    computer: DeviceReport | None = None
    history: HistoryReport | None = None
    foreign_packets: Annotated[int, Meta(ge=0, description="Packets at the data port of others than the card")] = 0


encode = json.Encoder().encode
