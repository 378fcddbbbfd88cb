"""A result as signals of 16-bit numbers and notes at a time, for EDF and WFDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from edge.analysis.result import Result
from edge.core.spec import RCG_RATE_HZ

UNKNOWN = -32768
"""The number of an unknown value; every other is at least -32767."""
_LEVELS = {"movement": ("none", "mild", "extensive"), "quality": ("unusable", "degraded", "good")}


@dataclass(frozen=True)
class Signal:
    """A signal: its values are `digital` [n] times `resolution`, in `unit`, `rate_hz` a second."""

    name: str
    unit: str
    rate_hz: int
    resolution: float
    digital: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Note:
    """A text about the time from `start_s`, since the result's start, for `duration_s`."""

    start_s: float
    duration_s: float
    text: str


def ecg_signal(result: Result) -> Signal:
    """Return the ECG in steps of 1 uV; one unknown sample if it is empty, because a file needs one."""
    ecg_mv = result.ecg_mv if len(result.ecg_mv) else np.full(1, np.nan)
    return Signal("ECG", "mV", RCG_RATE_HZ, 0.001, _digital(ecg_mv, 0.001))


def second_signals(result: Result) -> list[Signal]:
    """Return the vital signs at 1 Hz: the value of each second is the one that was computed at it."""
    table = (
        ("HR", "1/min", 0.01, result.seconds.heart_rate_bpm),
        ("HR low", "1/min", 0.01, result.seconds.heart_rate_low_bpm),
        ("HR high", "1/min", 0.01, result.seconds.heart_rate_high_bpm),
        ("Breathing", "1/min", 0.01, result.seconds.breathing_rate_bpm),
        ("Chest range", "m", 0.001, result.seconds.chest_range_m),
        ("Movement", "0 to 2", 1.0, _level("movement", result.seconds.movement)),
        ("Quality", "0 to 2", 1.0, _level("quality", result.seconds.quality)),
        ("SQI", "0 to 1", 0.001, result.seconds.sqi),
    )
    return [
        Signal(name, unit, 1, resolution, _digital(result.each_second(values), resolution))
        for name, unit, resolution, values in table
    ]


def withheld_notes(result: Result) -> Iterator[Note]:
    """Yield the periods without a heart rate, with the reasons."""
    seconds = result.seconds
    starts_s = (seconds.t_ns - result.start_ns) / 1e9 - 1.0  # vitals come at the end of their second
    states = zip(np.isnan(seconds.heart_rate_bpm).tolist(), seconds.flags.tolist(), starts_s.tolist(), strict=True)
    for (is_withheld, flags), rows in groupby(states, key=lambda row: row[:2]):
        at_s = [start_s for _, _, start_s in rows]
        if is_withheld:
            yield Note(max(0.0, at_s[0]), at_s[-1] + 1 - max(0.0, at_s[0]), f"heart rate withheld: {flags}")


def _digital(values: npt.NDArray[np.floating], resolution: float) -> npt.NDArray[np.int16]:
    scaled = np.clip(np.rint(values / resolution), UNKNOWN + 1, 32767)
    return np.where(np.isnan(scaled), UNKNOWN, scaled).astype(np.int16)


def _level(name: str, texts: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    return np.array([_LEVELS[name].index(text) for text in texts.tolist()], np.float64)
