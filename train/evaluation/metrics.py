"""Metrics of a reconstruction (radarODE-MTL section IV), per window and per stretch.

Times in ms, ECG in units of the QRS complex's height (about mV). Missed and false beats have no timing error; they are
counted separately.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Bool, Float64

MATCH_MS = 150.0
"""A beat without a detection within this time is missed (radarODE-MTL section IV-B)."""
LAG_MS = 150.0
MS = 1000 / RCG_RATE_HZ

# Search window of each wave relative to the R peak, in ms, and its sign. T's window scales with the square root of the
# cycle, like the QT interval (Bazett).
WAVES: dict[Literal["Q", "S", "T"], tuple[float, float, int]] = {
    "Q": (-70, -5, -1),
    "S": (5, 90, -1),
    "T": (150, 450, 1),
}


def rmse(ours: Float64, truth: Float64) -> float:
    """Return the root mean square error of two stretches of the same length."""
    return float(np.sqrt(np.mean(np.square(ours - truth))))


def pcc(ours: Float64, truth: Float64) -> float:
    """Return Pearson's correlation; 0 if one of the two is constant."""
    a, b = ours - ours.mean(), truth - truth.mean()
    power = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / power if power > 1e-12 else 0.0


def lag_adjusted_pcc(ours: Float64, truth: Float64, known: Bool) -> tuple[float, float]:
    """Return the best correlation over lags within LAG_MS where `known`, and its lag in ms (positive: ours is late).

    Public sets are seldom synchronous to a few ms (method section 7). The lag is constant for the whole stretch.
    """
    reach = round(LAG_MS / MS)
    best = (-1.0, 0.0)
    for lag in range(-reach, reach + 1):
        cut = slice(max(0, -lag), len(truth) - max(0, lag))
        moved = slice(cut.start + lag, cut.stop + lag)
        kept = known[moved]
        if kept.sum() > RCG_RATE_HZ:
            best = max(best, (pcc(ours[moved][kept], truth[cut][kept]), lag * MS))
    return best


@dataclass(frozen=True)
class BeatMatch:
    """Matches of found and true R peaks, nearest first, one to one, within MATCH_MS."""

    timing_ms: Float64
    """Found minus true [matched]."""
    missed: int
    false: int

    @property
    def mdr(self) -> float:
        """Missed detection rate: fraction of true beats without a match."""
        true = len(self.timing_ms) + self.missed
        return self.missed / true if true else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        hits = len(self.timing_ms)
        return 2 * hits / total if (total := 2 * hits + self.missed + self.false) else 1.0


def match_beats(found: Float64, true: Float64, match_ms: float = MATCH_MS) -> BeatMatch:
    """Match R peaks in samples, both rising; the nearest pairs first."""
    away = np.abs(found[:, None] - true) * MS if len(found) and len(true) else np.full((len(found), len(true)), np.inf)
    order = np.argsort(away, axis=None)
    taken_found, taken_true, timing = set[int](), set[int](), []
    for flat in order[: np.count_nonzero(away <= match_ms)]:
        i, j = (int(index) for index in np.unravel_index(flat, away.shape))
        if i not in taken_found and j not in taken_true:
            taken_found.add(i)
            taken_true.add(j)
            timing.append((found[i] - true[j]) * MS)
    return BeatMatch(np.array(timing), len(true) - len(timing), len(found) - len(timing))


def wave_timing_ms(ours: Float64, truth: Float64, r_peaks: Float64, known: Bool) -> dict[str, Float64]:
    """Return the time differences of the extremes of Q, S and T in the two ECGs, in ms, ours minus true.

    Only beats with an R peak where our ECG is `known` [n] are used.
    """
    cycles = np.diff(r_peaks, append=r_peaks[-1:] + (r_peaks[-1] - r_peaks[-2] if len(r_peaks) > 1 else RCG_RATE_HZ))
    timing: dict[str, list[float]] = {name: [] for name in WAVES}
    kept = known[r_peaks.astype(int)]
    for beat, cycle in zip(r_peaks[kept], cycles[kept], strict=True):
        for name, (first_ms, last_ms, sign) in WAVES.items():
            stretch = np.sqrt(cycle / RCG_RATE_HZ) if name == "T" else 1.0
            start, stop = (round(beat + edge * stretch / MS) for edge in (first_ms, last_ms))
            if start >= 0 and stop <= len(truth):
                places = [int((sign * ecg[start:stop]).argmax()) for ecg in (ours, truth)]
                timing[name].append((places[0] - places[1]) * MS)
    return {name: np.array(errors) for name, errors in timing.items()}


def rates_bpm(r_peaks: Float64, ends: Float64, window: float) -> Float64:
    """Return the mean rate of whole cycles in the `window` samples before each of `ends`; NaN with under two beats."""
    rates = np.full(len(ends), np.nan)
    for k, end in enumerate(ends):
        inside = r_peaks[(r_peaks > end - window) & (r_peaks <= end)]
        if len(inside) > 1:
            rates[k] = 60 * RCG_RATE_HZ * (len(inside) - 1) / (inside[-1] - inside[0])
    return rates


RISES_WITH_QUALITY = {"pcc": True, "rmse": False, "ppi_error_ms": False, "r_timing_ms": False, "mdr": False}
TASKS = (("rmse", "pcc"), ("ppi_error_ms",), ("r_timing_ms", "mdr"))
"""Figures of each task; equation 16 averages them per task first."""


def delta_m(figures: dict[str, float], baseline: dict[str, float]) -> float:
    """Return the mean over tasks of the mean change relative to the baseline in %; positive is better (eq. 16).

    NaN if a figure is unknown, or is 0 in the baseline.
    """
    if not all(value > 0 for value in baseline.values()):
        return float("nan")
    changes = [
        [(1 if RISES_WITH_QUALITY[name] else -1) * (figures[name] - baseline[name]) / baseline[name] for name in task]
        for task in TASKS
    ]
    return 100 * float(np.mean([np.mean(task) for task in changes]))
