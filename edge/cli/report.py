"""Results on a terminal: one line per second, and a summary at the end."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TextIO

from edge.core.types import EcgBlock, Quality, Vitals, Waveform


@dataclass
class Report:
    """A `Sink` that prints each second's vitals to `out` (if any) and stores them for `summary`."""

    out: TextIO | None
    seconds: list[Vitals] = field(default_factory=list)
    _start_ns: int | None = None

    def waveform(self, wave: Waveform) -> None:
        """Ignores the waveform."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Ignores the ECG."""

    def vitals(self, vitals: Vitals) -> None:
        """Print one line per second."""
        self.seconds.append(vitals)
        if self._start_ns is None:
            self._start_ns = vitals.t_ns
        if self.out:
            elapsed_s = (vitals.t_ns - self._start_ns) / 1e9
            print(f"{elapsed_s:6.0f} s  {describe(vitals)}", file=self.out)

    def summary(self) -> dict[str, object]:
        """Return medians over the valid seconds, or None where no second was valid."""
        heart = [v.heart_rate_bpm for v in self.seconds if v.heart_rate_bpm is not None]
        breathing = [v.breathing_rate_bpm for v in self.seconds if v.breathing_rate_bpm is not None]
        chest = [v.chest_range_m for v in self.seconds if v.chest_range_m is not None]
        return {
            "heart_rate_bpm": _median(heart, 1),
            "breathing_rate_bpm": _median(breathing, 1),
            "chest_range_m": _median(chest, 3),
            "valid_fraction": round(len(heart) / len(self.seconds), 3) if self.seconds else 0.0,
            "flags": sorted({flag for v in self.seconds for flag in v.quality.flags}),
        }


def describe(vitals: Vitals) -> str:
    """Format one second of vitals as text."""
    heart = f"{vitals.heart_rate_bpm:5.1f}" if vitals.heart_rate_bpm is not None else "   --"
    breathing = f"{vitals.breathing_rate_bpm:4.1f}" if vitals.breathing_rate_bpm is not None else "  --"
    where = f"{vitals.chest_range_m:.2f} m" if vitals.chest_range_m is not None else "-- m"
    q = vitals.quality
    return f"heart {heart} /min   breathing {breathing} /min   {where}   {q.state} {q.sqi:.2f} {' '.join(q.flags)}"


def _median(values: list[float], digits: int) -> float | None:
    return round(statistics.median(values), digits) if values else None
