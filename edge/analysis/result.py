"""The result of a recording: ECG, R peaks, and the vital signs of every second, as arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge.core.errors import InputError, install_hint
from edge.core.intended_use import NOT_A_DEVICE
from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float32, Float64

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

Int64 = npt.NDArray[np.int64]
Text = npt.NDArray[np.str_]
SAMPLE_NS = 1_000_000_000 // RCG_RATE_HZ
DISCLAIMER = f"Reconstructed ECG, shape only: not a measured lead, amplitude not to scale. {NOT_A_DEVICE}"
"""The first line of everything that is written."""


@dataclass(frozen=True)
class About:
    """What a result was computed from. `started` is the time of the first frame; None if the recording has no clock.

    name: the recording's; network: the network's name, None without one; radarecg: the version that computed it.
    """

    name: str
    started: datetime | None
    clock_synced: bool
    radarecg: str
    network: str | None
    device: str | None
    note: str | None
    frame_rate_hz: float
    frames_received: int
    frames_lost: int

    def lines(self) -> list[str]:
        """Return a description for a header, line by line."""
        started = self.started.isoformat(timespec="milliseconds") if self.started else "unknown, times count from 0"
        lines = [
            DISCLAIMER,
            f"recording: {self.name}, started {started}, "
            f"clock {'synchronized' if self.clock_synced else 'not synchronized'}",
            f"frames: {self.frames_received} received, {self.frames_lost} lost, {self.frame_rate_hz:g} a second",
            f"computed by: radarecg {self.radarecg}, network {self.network or 'none'}",
        ]
        known = {"device": self.device, "note": self.note}
        return lines + [f"{key}: {' '.join(text.split())}" for key, text in known.items() if text]


@dataclass(frozen=True, eq=False)
class Seconds:
    """The vital signs, one row a second [m]; a rate that is not valid is NaN.

    t_ns: Unix time. movement: none, mild or extensive. quality: good, degraded or unusable; sqi: 0 to 1; flags: the
    reasons, separated by spaces. frames_lost: since the start.
    """

    t_ns: Int64
    heart_rate_bpm: Float64
    heart_rate_low_bpm: Float64
    """Lower end of the heart rate's 95 % interval."""
    heart_rate_high_bpm: Float64
    breathing_rate_bpm: Float64
    chest_range_m: Float64
    rmssd_ms: Float64
    sdnn_ms: Float64
    movement: Text
    quality: Text
    sqi: Float64
    flags: Text
    frames_lost: Int64

    def __len__(self) -> int:
        return len(self.t_ns)


@dataclass(frozen=True, eq=False)
class BestStretch:
    """The SST of the most reliable seconds with ECG: magnitude [71, columns], 0 to 1, from `start_ns` to `end_ns`."""

    start_ns: int
    end_ns: int
    magnitude: Float32


@dataclass(frozen=True, eq=False)
class Result:
    """ECG, R peaks and vital signs of a recording. All times are Unix times in ns.

    ecg_mv [n]: the ECG at 200 Hz from `start_ns` on, with the QRS complex scaled to 1 mV; NaN where it is unknown. A
    sample stays at its own time: after a gap, what follows is not shifted.
    r_peak_t_ns [k] and r_peak_confidence [k], 0 to 1: R peaks, with the times as fine as the network gives them.
    seconds: the vital signs. completed: False if the reconstruction was stopped before the recording's end.
    """

    about: About
    start_ns: int
    ecg_mv: Float32
    r_peak_t_ns: Int64
    r_peak_confidence: Float64
    seconds: Seconds
    best: BestStretch | None = None
    completed: bool = True

    @property
    def duration_s(self) -> float:
        """Return the length of the result."""
        return len(self.ecg_mv) / RCG_RATE_HZ

    @property
    def ecg_t_ns(self) -> Int64:
        """Return the time of each sample of the ECG [n]."""
        return self.start_ns + SAMPLE_NS * np.arange(len(self.ecg_mv), dtype=np.int64)

    def sample_at(self, t_ns: Int64) -> Int64:
        """Return the numbers of the samples that are nearest to times, each within the ECG."""
        return np.clip((t_ns - self.start_ns + SAMPLE_NS // 2) // SAMPLE_NS, 0, len(self.ecg_mv) - 1)

    def each_second(self, values: Float64) -> Float64:
        """Put values of `seconds` [m] on a grid: [k] is that of the time `k` s after the start; NaN where none is."""
        grid = np.full(max(1, math.ceil(self.duration_s)), np.nan)
        at = np.rint((self.seconds.t_ns - self.start_ns) / 1e9).astype(int)
        is_inside = (at >= 0) & (at < len(grid))
        grid[at[is_inside]] = values[is_inside]
        return grid

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table of `to_dataframe` as arrays [n]; text is empty where there is none."""
        table: dict[str, npt.NDArray[Any]] = {"t_unix_ns": self.ecg_t_ns, "ecg_mv": self.ecg_mv}
        confidence = np.full(len(self.ecg_mv), np.nan)
        confidence[self.sample_at(self.r_peak_t_ns)] = self.r_peak_confidence
        table["r_peak_confidence"] = confidence
        rows = self.sample_at(self.seconds.t_ns)
        for field in fields(Seconds)[1:]:
            values = getattr(self.seconds, field.name)
            is_text = values.dtype.kind == "U"
            column = np.full(len(self.ecg_mv), "" if is_text else np.nan, values.dtype if is_text else np.float64)
            column[rows] = values
            table[field.name] = column
        return table

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a table with a row for each sample of the ECG, by time.

        `r_peak_confidence` has a value in the row of each R peak, and the vital signs in one row a second: get them
        with `dropna(subset=["sqi"])`. `attrs` has the description. Raises InputError without pandas.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise InputError(f"a DataFrame needs pandas: {install_hint('analysis')}") from error
        table = self.columns()
        index = pandas.DatetimeIndex(table.pop("t_unix_ns").view("datetime64[ns]"), tz="UTC", name="time")
        frame = pandas.DataFrame(table, index=index)
        frame.attrs["about"] = self.about.lines()
        return frame

    def write(self, path: Path | str) -> None:
        """Write a file whose suffix gives the format: one of `edge.analysis.formats.FORMATS`.

        Raises InputError for another suffix or a missing library, OSError.
        """
        from edge.analysis.formats import write_result

        write_result(self, Path(path))

    def write_report(self, path: Path | str) -> None:
        """Write the report, a page of HTML that needs no other file. Raises InputError without matplotlib, OSError."""
        from edge.analysis.report.page import write_report

        write_report(self, Path(path))


def unix_time(t_ns: int) -> datetime:
    """Return a Unix time in ns as a date and time in UTC, cut to microseconds."""
    seconds, rest_ns = divmod(t_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest_ns // 1000)
