"""What the writer stores, one record each: a second's vitals, an event, and a piece of the ECG."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import EcgBlock, Vitals

EventKind = Literal["device_started", "device_stopped", "flag_began", "flag_ended"]

UNKNOWN_SAMPLE = -32768
_MAX_SAMPLE = 32767
PEAK_STEPS = 100  # an R peak is stored in hundredths of a sample


class Second(NamedTuple):
    """The vitals of one second, in Unix time."""

    second: int
    vitals: Vitals


class Event(NamedTuple):
    """A change: of the device, or of a quality flag."""

    t_ms: int
    kind: EventKind
    flag: str | None = None


class EcgPiece(NamedTuple):
    """A piece of the ECG at RCG_RATE_HZ. `t_us`: Unix time of its first sample.

    samples [n] in thousandths of the height of the QRS complex, UNKNOWN_SAMPLE where it is not known; r_peaks [k] in
    1/PEAK_STEPS of a sample after the first. If not `continues`, the piece before is not adjacent.
    """

    t_us: int
    samples: npt.NDArray[np.int16]
    r_peaks: npt.NDArray[np.int32]
    continues: bool
    personalised: bool

    @property
    def end_us(self) -> int:
        """Time of the end of the last sample."""
        return self.t_us + len(self.samples) * 1_000_000 // RCG_RATE_HZ

    @property
    def r_peaks_s(self) -> list[float]:
        """Unix times of the R peaks."""
        return [self.t_us / 1e6 + peak / (PEAK_STEPS * RCG_RATE_HZ) for peak in self.r_peaks.tolist()]


def ecg_piece(ecg: EcgBlock) -> EcgPiece:
    """Convert a block of the ECG; the network's input and output are not kept."""
    e = ecg.estimate
    thousandths = np.clip(np.rint(1000 * e.ecg), -_MAX_SAMPLE, _MAX_SAMPLE)
    samples = np.where(e.valid_mask, thousandths, UNKNOWN_SAMPLE).astype("<i2")
    r_peaks = np.rint((e.r_peaks - e.sample0) * PEAK_STEPS).astype("<i4")
    return EcgPiece(ecg.t_ns // 1000, samples, r_peaks, ecg.continues, ecg.personalised)
