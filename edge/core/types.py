"""Records that the stages exchange: immutable, with shapes and units, without behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Complex64 = npt.NDArray[np.complex64]
Complex128 = npt.NDArray[np.complex128]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

UncertaintyReason = Literal["low_snr", "model_uncertain"]
MovementLevel = Literal["none", "mild", "extensive"]
QualityState = Literal["good", "degraded", "unusable"]
QualityFlag = Literal[
    "radar_fault",
    "stale",
    "no_subject",
    "body_movement",
    "warming_up",
    "low_snr",
    "model_uncertain",
    "frame_loss",
    "clock_unsynced",
    "network_failed",
]
"""Reasons for a quality; `edge.vitals.quality.FLAGS` has the effect of each."""


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One radar frame as the bytes that the capture card sent. Bytes that were not received are zero.

    `seq` counts frames from the start of the card's byte stream, so a lost frame is a gap in `seq`. `received`: bytes.
    `t_ns` (Unix) and `steady_ns` (monotonic; None in a recording): host clocks when its last packet arrived, ns.
    """

    seq: int
    t_ns: int
    data: bytes | bytearray | memoryview
    received: int
    steady_ns: int | None = None

    @property
    def complete(self) -> bool:
        """Return whether every byte was received."""
        return self.received == len(self.data)


@dataclass(frozen=True, slots=True)
class RadarFrame:
    """One decoded frame: `iq` [loop, tx, rx, sample]. If not `complete`, parts of `iq` are not measured data."""

    seq: int
    t_ns: int
    iq: Complex64
    complete: bool
    steady_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Chest:
    """Range of the chest, and how far its motion is above that of the rest of the room."""

    range_m: float
    contrast_db: float
    present: bool


@dataclass(frozen=True, slots=True)
class RcgBlock:
    """A piece of the uniform 200 Hz stream, P channels by n samples.

    displacement_mm [P, n], positive away from the radar; rcg_mm_s2 [P, n], its second derivative;
    weights [P], each channel's share of the moving power; covered [n], False where a frame was missing
    and the sample is interpolated; speed_mm_s, the highest speed of the whole chest within the block;
    `restarted` if the block does not continue the previous ones; points_m [P, 3], the position of each channel
    (x to the side, y away from the board, z up; m), None if a channel is an antenna pair and not a point.
    """

    t_ns: int
    displacement_mm: Float64
    rcg_mm_s2: Float64
    weights: Float64
    covered: Bool
    speed_mm_s: float
    chest: Chest
    restarted: bool
    points_m: Float64 | None = None


@dataclass(frozen=True, slots=True)
class SstWindow:
    """The network's input: values [P, 71, 120] in 0..1, one spectrogram a channel; row 0 is the lowest frequency.

    scale [P] is the magnitude that was scaled to 1, in mm/s^2: 0 for a silent channel, NaN for a channel with samples
    that are not finite; both have values of 0. `coverage` is the fraction of the window's 4 s that was measured.
    """

    values: Float32
    scale: Float32
    coverage: float = 1.0


@dataclass(frozen=True, slots=True)
class TaskOutputs:
    """The network's outputs for one window; `anchor` and `cycle` each sum to 1.

    ecg [200], the ECG piece around the middle beat, scaled to a QRS height of 1; anchor [800], probability of an R peak
    at each sample; cycle [260], probability of each length of the middle cycle.
    """

    ecg: Float32
    anchor: Float32
    cycle: Float32

    @property
    def finite(self) -> bool:
        """Return whether all values are finite. Others must not be used."""
        return all(bool(np.isfinite(values).all()) for values in (self.ecg, self.anchor, self.cycle))


@dataclass(frozen=True, slots=True)
class EcgEstimate:
    """A segment of the long-term ECG at RCG_RATE_HZ that starts at sample `sample0` of the stream.

    ecg [n] in units of the height of the QRS complex; 0 where not `valid_mask` [n], outside two enclosing beats.
    r_peaks [k]: positions of the R peaks in samples of the stream, fractional; confidence [k] of each, 0..1.
    """

    sample0: int
    ecg: Float64
    valid_mask: Bool
    r_peaks: Float64
    confidence: Float64

    @property
    def samples_uv(self) -> list[int | None]:
        """Return the ECG in uV, with the QRS complex scaled to 1 mV; an unknown sample is None."""
        return [
            round(1000 * x) if is_known else None
            for x, is_known in zip(self.ecg.tolist(), self.valid_mask, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class EcgBlock:
    """A segment of the ECG with its time. `t_ns` is the time of its first sample, number `sample0` since the start.

    If not `continues`, the previous segment is not adjacent: there was a gap in time, or the chest moved.
    `window` is the latest input of the network, which ends before sample `window_end`; `outputs`, its outputs for it.
    `personalised`: whether the times are shifted by a person's delay (`edge.personal`).
    """

    t_ns: int
    sample0: int
    estimate: EcgEstimate
    continues: bool
    outputs: TaskOutputs
    window: SstWindow | None = None
    window_end: int = 0
    personalised: bool = False


@dataclass(frozen=True, slots=True)
class Waveform:
    """The heart waveform: envelope of the chest's vibration with one peak a beat. samples [n] in mm/s^2.

    `coverage` is the fraction of measured samples. If not `continues`, there is a break before this piece.
    """

    t_ns: int
    sample0: int
    rate_hz: int
    samples: Float64
    coverage: float = 1.0
    continues: bool = True


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """A rate per minute or None, its confidence (0..1), and its 95 % interval."""

    bpm: float | None = None
    confidence: float = 0.0
    ci95_bpm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class BeatRate:
    """A heart rate from the network's beats, its 95 % interval, and its number of beats.

    outlier_fraction: fraction of cycles that were ignored because their length is far from the others.
    """

    bpm: float
    ci95_bpm: tuple[float, float]
    n_beats: int
    outlier_fraction: float


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Variability of the cycles: RMSSD and SDNN. `irregular`, as in atrial fibrillation, is a hint, not a diagnosis."""

    rmssd_ms: float
    sdnn_ms: float
    irregular: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality of the last window. `sqi` is 0..1; `flags` are the reasons."""

    state: QualityState
    sqi: float
    flags: tuple[QualityFlag, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameCount:
    """Number of frames since the start: received completely, and lost or incomplete."""

    received: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Vitals:
    """The vital signs once a second. An invalid rate is None, as are its details; old rates are never repeated.

    n_beats: beats that the heart rate is computed from; None if it is not computed from single beats.
    """

    t_ns: int
    heart_rate_bpm: float | None
    breathing_rate_bpm: float | None
    chest_range_m: float | None
    quality: Quality
    frames: FrameCount = field(default_factory=FrameCount)
    ci95_bpm: tuple[float, float] | None = None
    n_beats: int | None = None
    rhythm: Rhythm | None = None
    movement: MovementLevel = "none"
    steady_ns: int | None = None
