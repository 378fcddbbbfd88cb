"""Summarises the figures of trials in rows, overall and by subject or status, and formats tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edge.core.types import Float64
from train.evaluation.figures import TrialFigures
from train.evaluation.metrics import MATCH_MS

MAX_HR_ERROR_BPM, MAX_HR_ERROR_FRACTION = 5.0, 0.1
"""A heart rate is right within the larger of these limits, as in public comparisons (method section 7)."""

Row = dict[str, float | None]

COLUMNS = {
    "windows": "windows",
    "pcc": "PCC",
    "rmse": "RMSE",
    "ppi_error_ms": "PPI ms",
    "window_r_timing_ms": "R ms",
    "window_mdr": "MDR",
    "long_pcc": "long PCC",
    "lag_pcc": "long PCC at best lag",
    "known": "of the time",
    "long_rmse": "long RMSE",
    "r_timing_ms_median": "long R ms",
    "mdr": "long MDR",
    "f1_aligned": "long F1 at best lag",
    "metronome_f1_aligned": "metronome F1",
    "hr_error_bpm_median": "HR error bpm",
    "hr_right": "HR right",
    "classical_hr_error_bpm_median": "classical error bpm",
    "classical_hr_right": "classical right",
}
"""Columns of a table, in order: figures of windows, of the long-term ECG, of the heart rate."""


TABLE_ONE = {
    "rmse": "rmse",
    "pcc": "pcc",
    "ppi_error_ms": "ppi_error_ms",
    "r_timing_ms": "window_r_timing_ms",
    "mdr": "window_mdr",
}
"""Figures of equation 16 in a row (`train.evaluation.metrics.delta_m`)."""


def summarise(trials: Sequence[TrialFigures]) -> Row:
    """Summarise trials in one row: means with equal weight of windows or trials; None for unknown figures.

    pcc, rmse, ppi_error_ms: means over windows. window_*: anchors of single windows. r_timing_ms_median, mdr, f1: of
    the long-term R peaks; f1_aligned after taking out each file's constant lag; metronome_*: the same for
    beats at constant intervals at the classical rate. known: fraction of time with a long-term ECG. hr_*: per ten
    seconds with a known true rate; a missing rate is wrong, with an infinite error. *_confident80: of the 80 % with
    the highest confidence.
    """
    true, ours, classical, confidence = (
        _joined(getattr(trial, name) for trial in trials)
        for name in ("true_bpm", "ours_bpm", "classical_bpm", "confidence")
    )
    ours, classical, confidence, true = (x[np.isfinite(true)] for x in (ours, classical, confidence, true))
    confident = confidence >= np.quantile(confidence, 0.2) if len(confidence) else confidence > 0
    beats = [trial.beats for trial in trials]
    true_beats = sum(len(match.timing_ms) + match.missed for match in beats)
    row = {
        "windows": float(sum(len(trial.ppi_error_ms) for trial in trials)),
        "pcc": _mean(_joined(trial.pcc for trial in trials)),
        "rmse": _mean(_joined(trial.rmse for trial in trials)),
        "ppi_error_ms": _mean(_joined(trial.ppi_error_ms for trial in trials)),
        "window_r_timing_ms": _median(np.abs(_joined(trial.window_beats.timing_ms for trial in trials))),
        "window_mdr": _mean(np.array([trial.window_beats.mdr for trial in trials])),
        "long_pcc": _mean(np.array([trial.long_pcc for trial in trials])),
        "lag_pcc": _mean(np.array([trial.lag_pcc for trial in trials])),
        "known": _mean(np.array([trial.known for trial in trials])),
        "long_rmse": _mean(np.array([trial.long_rmse for trial in trials])),
        "r_timing_ms_median": _median(np.abs(_joined(match.timing_ms for match in beats))),
        "mdr": sum(match.missed for match in beats) / true_beats if true_beats else None,
        "f1": _mean(np.array([match.f1 for match in beats])),
        "f1_aligned": _mean(np.array([trial.aligned.f1 for trial in trials])),
        "metronome_f1_aligned": _mean(np.array([trial.metronome.f1 for trial in trials])),
        "hr_error_bpm_median": _median(_off(ours, true)),
        "hr_right": _mean(_right(ours, true)),
        "hr_right_confident80": _mean(_right(ours[confident], true[confident])),
        "classical_hr_error_bpm_median": _median(_off(classical, true)),
        "classical_hr_right": _mean(_right(classical, true)),
    }
    for wave in "QST":
        row[f"{wave.lower()}_timing_ms_median"] = _median(
            np.abs(_joined(trial.waves_ms.get(wave, np.zeros(0)) for trial in trials))
        )
    return row


def table_one(row: Row) -> dict[str, float]:
    """Return the figures of equation 16, of single windows; without any R peak the timing error is MATCH_MS."""
    worst = {"r_timing_ms": MATCH_MS}
    found = {name: row[key] for name, key in TABLE_ONE.items()}
    return {name: worst.get(name, np.nan) if value is None else value for name, value in found.items()}


def grouped(trials: Sequence[TrialFigures], key: Callable[[TrialFigures], str | None]) -> dict[str, Row]:
    """Return one row per value of `key`, in order; trials with None are left out."""
    values = sorted({value for trial in trials if (value := key(trial)) is not None})
    return {value: summarise([trial for trial in trials if key(trial) == value]) for value in values}


def markdown(rows: dict[str, Row], columns: Sequence[str] = tuple(COLUMNS)) -> str:
    """Format rows by name as a Markdown table of some of COLUMNS."""
    lines = ["| | " + " | ".join(COLUMNS[key] for key in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(_cell(key, row[key]) for key in columns) + " |")
    return "\n".join(lines)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "--"
    if key == "windows":
        return f"{value:.0f}"
    if key.endswith(("mdr", "right", "known")):
        return f"{100 * value:.1f} %"
    return f"{value:.1f}" if key.endswith(("ms", "median")) else f"{value:.3f}"


def _right(found: Float64, true: Float64) -> Float64:
    return np.asarray(np.abs(found - true) <= np.maximum(MAX_HR_ERROR_BPM, MAX_HR_ERROR_FRACTION * true), np.float64)


def _off(found: Float64, true: Float64) -> Float64:
    return np.nan_to_num(np.abs(found - true), nan=np.inf)


def _joined(parts: Iterable[Float64]) -> Float64:
    return np.concatenate([np.zeros(0), *parts])


def _mean(x: Float64) -> float | None:
    x = x[np.isfinite(x)]
    return round(float(x.mean()), 4) if len(x) else None


def _median(x: Float64) -> float | None:
    x = x[~np.isnan(x)]
    return round(middle, 3) if len(x) and np.isfinite(middle := float(np.median(x))) else None
