"""What flows between the stages: frozen records with shapes and units, and nothing else."""

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


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One radar frame as bytes, as the card sent it; bytes that never came are zero.

    `seq` counts frames from the start of the card's byte stream, so a lost frame is a step in `seq`.
    `t_ns` is the host clock (Unix, ns) when the frame's last packet arrived.
    """

    seq: int
    t_ns: int
    data: bytes | bytearray | memoryview
    received: int

    @property
    def complete(self) -> bool:
        """Every byte came."""
        return self.received == len(self.data)


@dataclass(frozen=True, slots=True)
class RadarFrame:
    """One decoded frame: `iq` [loop, tx, rx, sample]. If not `complete`, some of `iq` is not data."""

    seq: int
    t_ns: int
    iq: Complex64
    complete: bool


@dataclass(frozen=True, slots=True)
class Chest:
    """Where the chest was found and how far its motion stands above the rest of the room."""

    range_m: float
    contrast_db: float
    present: bool


@dataclass(frozen=True, slots=True)
class RcgBlock:
    """A piece of the uniform 200 Hz stream, P channels by n samples.

    displacement_mm [P, n], positive away from the radar; rcg_mm_s2 [P, n], its second derivative;
    weights [P], each channel's share of the moving power; covered [n], False where a frame was missing
    and the sample is interpolated; speed_mm_s, the fastest the whole chest moved within the block;
    `restarted` when history before this block does not belong to it; points_m [P, 3], where each channel listens
    (x to the side, y away from the board, z up; m), None when a channel is an antenna and not a point.
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
    """The network's input: values [P, 71, 120] in 0..1, one spectrogram a channel, row 0 the lowest frequency.

    scale [P] is the magnitude that became 1, in mm/s^2: 0 for a silent channel, NaN for one whose samples are not all
    finite; the values of both are 0. `coverage` is the share of the window's own 4 s that was measured.
    """

    values: Float32
    scale: Float32
    coverage: float = 1.0


@dataclass(frozen=True, slots=True)
class TaskOutputs:
    """What the network says of one window; the last two each sum to 1.

    ecg [200], the piece around the middle beat, its QRS 1 high; anchor [800], probability that a beat's R peak is at
    this sample; cycle [260], probability of each length of the middle cycle.
    """

    ecg: Float32
    anchor: Float32
    cycle: Float32

    @property
    def finite(self) -> bool:
        """Numbers throughout: what is not must go no further."""
        return all(bool(np.isfinite(values).all()) for values in (self.ecg, self.anchor, self.cycle))


@dataclass(frozen=True, slots=True)
class EcgEstimate:
    """A stretch of the long-term ECG at RCG_RATE_HZ, from sample `sample0` of the stream on.

    ecg [n] in units of the QRS complex's height, 0 where not `known` [n]: there no two beats enclose it.
    r_peaks [k]: samples of the stream (fractions count) at which the stretch's beats have their R peaks; confidence [k]
    of each, 0..1.
    """

    sample0: int
    ecg: Float64
    known: Bool
    r_peaks: Float64
    confidence: Float64


@dataclass(frozen=True, slots=True)
class EcgBlock:
    """A stretch of the ECG as the device tells it: `t_ns` is the time of its first sample, which is number `sample0`
    since the boot. Not `continues`: what came before is of another stretch of time or place of the chest.
    `window` is the latest that the network saw, it ends before sample number `window_end`; `said`, what it said of it.
    """

    t_ns: int
    sample0: int
    estimate: EcgEstimate
    continues: bool
    said: TaskOutputs
    window: SstWindow | None = None
    window_end: int = 0


@dataclass(frozen=True, slots=True)
class Waveform:
    """The heart waveform: envelope of the chest's vibration, a large bump a beat. samples [n] in mm/s^2.

    `coverage` is the share of frames that came; not `continues`: what came before is of another time or place.
    """

    t_ns: int
    sample0: int
    rate_hz: int
    samples: Float64
    coverage: float = 1.0
    continues: bool = True


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """A rate per minute, how sure it is (0..1), a reason to doubt it all the same, and where it lies for 95 %;
    no rate yet: None.
    """

    bpm: float | None = None
    confidence: float = 0.0
    doubt: UncertaintyReason | None = None
    ci95_bpm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class BeatRate:
    """A heart rate from the network's beats, its 95 % interval, the beats behind it, and signs of whether it is right.

    left_out: the share of the cycles that are too unlike the others to count. entropy: mean of the distributions of the
    cycle's length that the windows tell, 0 (certain) to 1.
    """

    bpm: float
    ci95_bpm: tuple[float, float]
    n_beats: int
    left_out: float
    entropy: float


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How the cycles vary: RMSSD and SDNN. `irregular`: as in atrial fibrillation; a hint, no diagnosis."""

    rmssd_ms: float
    sdnn_ms: float
    irregular: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """The verdict on the last window. `sqi` 0..1; `flags` from the list in `edge.vitals.quality`."""

    state: QualityState
    sqi: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameCount:
    """Frames since the start: those that came whole, and those lost or incomplete."""

    received: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is known once a second. A rate that is not valid is None, and so is all about it: it is never held over.

    n_beats: behind the heart rate; None where it comes from no single beats.
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
