"""Metrics of a reconstruction (radarODE-MTL section IV), per window and per stretch.

Times in ms, ECG in units of the QRS complex's height (about mV). Missed and false beats have no timing error; they are
counted separately.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Bool, Float64

MATCH_MS = 150.0
"""A beat without a detection within this time is missed (radarODE-MTL section IV-B)."""
LAG_MS = 150.0
MS = 1000 / RCG_RATE_HZ


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
    pairs = match_pairs(found, true, match_ms)
    timing = np.array([(found[i] - true[j]) * MS for i, j in pairs], np.float64)
    return BeatMatch(timing, len(true) - len(pairs), len(found) - len(pairs))


def match_pairs(found: Float64, true: Float64, match_ms: float = MATCH_MS) -> list[tuple[int, int]]:
    """Return the indices (in `found`, in `true`) of matched R peaks; the nearest pairs first."""
    away = np.abs(found[:, None] - true) * MS if len(found) and len(true) else np.full((len(found), len(true)), np.inf)
    order = np.argsort(away, axis=None, kind="stable")
    taken_found, taken_true, pairs = set[int](), set[int](), list[tuple[int, int]]()
    for flat in order[: np.count_nonzero(away <= match_ms)]:
        i, j = (int(index) for index in np.unravel_index(flat, away.shape))
        if i not in taken_found and j not in taken_true:
            taken_found.add(i)
            taken_true.add(j)
            pairs.append((i, j))
    return pairs


def rates_bpm(r_peaks: Float64, ends: Float64, window: float) -> Float64:
    """Return the mean rate of whole cycles in the `window` samples before each of `ends`; NaN with under two beats."""
    rates = np.full(len(ends), np.nan)
    for k, end in enumerate(ends):
        inside = r_peaks[(r_peaks > end - window) & (r_peaks <= end)]
        if len(inside) > 1:
            rates[k] = 60 * RCG_RATE_HZ * (len(inside) - 1) / (inside[-1] - inside[0])
    return rates
