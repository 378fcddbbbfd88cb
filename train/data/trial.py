"""The common form of all recordings for training and evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.core.errors import InputError
from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Bool, Float32, Float64

Status = Literal["NB", "IB", "PE", "SP"]
"""MMECG's physistatus: normal breathing, irregular breathing, after exercise, asleep."""
Rhythm = Literal["sinus", "af", "ectopic"]


class TrialError(InputError):
    """The recording cannot be used; the message names the file, the problem and a remedy."""


@dataclass(frozen=True)
class Trial:
    """Uninterrupted recording at RCG_RATE_HZ.

    `name` is unique in its data set and a valid file name; all trials of a `subject` stay in the same part of a split.
    rcg [P, n] is the chest's acceleration, positive away from the radar, in mm/s^2 where the set's unit is known; its
    scale does not matter to the SST. ecg [n] in mV or the set's own unit; None if only R peaks are known.
    r_peaks_s, rising; None: to be detected in the ECG. points_m [P, 3] (x to the side, y away, z up); None if unknown.
    moving [n]: a labelled body movement; None if not labelled. Raises TrialError for inconsistent shapes or NaN.
    """

    name: str
    subject: str
    rcg: Float32
    ecg: Float32 | None = None
    r_peaks_s: Float64 | None = None
    points_m: Float64 | None = None
    moving: Bool | None = None
    status: Status | None = None
    rhythm: Rhythm | None = None

    def __post_init__(self) -> None:
        if self.rcg.ndim != 2 or 0 in self.rcg.shape:
            raise TrialError(f"{self.name}: RCG is {self.rcg.shape}, not [points, samples]")
        points, samples = self.rcg.shape
        if self.ecg is None and self.r_peaks_s is None:
            raise TrialError(f"{self.name}: has neither an ECG nor R peaks, so there is no reference")
        if self.ecg is not None and self.ecg.shape != (samples,):
            raise TrialError(f"{self.name}: ECG is {self.ecg.shape} beside {samples} samples of RCG")
        if self.points_m is not None and self.points_m.shape != (points, 3):
            raise TrialError(f"{self.name}: positions are {self.points_m.shape} of {points} points")
        if self.moving is not None and self.moving.shape != (samples,):
            raise TrialError(f"{self.name}: movement is labelled for {self.moving.shape}, not {samples} samples")
        for what, values in (("RCG", self.rcg), ("ECG", self.ecg), ("R peaks", self.r_peaks_s)):
            if values is not None and not np.isfinite(values).all():
                bad = np.argwhere(~np.isfinite(values))[0]
                raise TrialError(f"{self.name}: {what} is not finite at {tuple(bad.tolist())}; cut it out or repair it")

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(self.rcg.shape[1] / RCG_RATE_HZ)
