"""Summarises the figures of trials in rows, overall and by subject or status, and formats tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from edge.core.types import Float64
from train.evaluation.figures import TrialFigures
from train.evaluation.long_term import WAVES, LongTermFigures
from train.evaluation.metrics import MATCH_MS, BeatMatch

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


WINDOW_METRICS = {
    "rmse": "rmse",
    "pcc": "pcc",
    "ppi_error_ms": "ppi_error_ms",
    "r_timing_ms": "window_r_timing_ms",
    "mdr": "window_mdr",
}
"""Metric of `train.evaluation.delta_m` -> its key in a row, of single windows."""
LONG_TERM_METRICS = {
    "rmse": "long_rmse",
    "pcc": "long_pcc",
    "r_timing_ms": "ecg_r_timing_ms_median",
    "mdr": "ecg_mdr",
}
"""The same of the long-term ECG alone, as any network that returns an ECG has them."""


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
    return {
        **summarise_ecgs([trial.long_term for trial in trials if trial.long_term]),
        "windows": float(sum(len(trial.ppi_error_ms) for trial in trials)),
        "pcc": _mean(_joined(trial.pcc for trial in trials)),
        "rmse": _mean(_joined(trial.rmse for trial in trials)),
        "ppi_error_ms": _mean(_joined(trial.ppi_error_ms for trial in trials)),
        "window_r_timing_ms": _median(np.abs(_joined(trial.window_beats.timing_ms for trial in trials))),
        "window_mdr": _mean(np.array([trial.window_beats.mdr for trial in trials])),
        "known": _mean(np.array([trial.known for trial in trials])),
        "r_timing_ms_median": _median(np.abs(_joined(match.timing_ms for match in beats))),
        "mdr": _missed(beats),
        "f1": _mean(np.array([match.f1 for match in beats])),
        "f1_aligned": _mean(np.array([trial.aligned.f1 for trial in trials])),
        "metronome_f1_aligned": _mean(np.array([trial.metronome.f1 for trial in trials])),
        "hr_error_bpm_median": _median(_off(ours, true)),
        "hr_right": _mean(_right(ours, true)),
        "hr_right_confident80": _mean(_right(ours[confident], true[confident])),
        "classical_hr_error_bpm_median": _median(_off(classical, true)),
        "classical_hr_right": _mean(_right(classical, true)),
    }


def summarise_ecgs(ecgs: Sequence[LongTermFigures]) -> Row:
    """Summarise the figures of trials' long-term ECGs: the part of a row that any network has.

    long_pcc, long_rmse, lag_pcc: means over trials. ecg_*, q_*, s_*, t_*: found in the ECG by NeuroKit2.
    """
    row = {
        "long_pcc": _mean(np.array([ecg.pcc for ecg in ecgs])),
        "lag_pcc": _mean(np.array([ecg.lag_pcc for ecg in ecgs])),
        "long_rmse": _mean(np.array([ecg.rmse for ecg in ecgs])),
        "ecg_r_timing_ms_median": _median(np.abs(_joined(ecg.beats.timing_ms for ecg in ecgs))),
        "ecg_mdr": _missed([ecg.beats for ecg in ecgs]),
        "ecg_hr_error_bpm_median": _median(_joined(_off(e.bpm, e.true_bpm)[np.isfinite(e.true_bpm)] for e in ecgs)),
    }
    for wave in WAVES:
        row[f"{wave.lower()}_timing_ms_median"] = _median(np.abs(_joined(ecg.waves_ms[wave] for ecg in ecgs)))
    return row


def metrics(row: Row, keys: Mapping[str, str]) -> dict[str, float]:
    """Return the metrics of equation 16 in a row; without any R peak the timing error is MATCH_MS."""
    worst = {"r_timing_ms": MATCH_MS}
    found = {name: row[key] for name, key in keys.items()}
    return {name: worst.get(name, np.nan) if value is None else value for name, value in found.items()}


def grouped(trials: Sequence[TrialFigures], key: Callable[[TrialFigures], str | None]) -> dict[str, Row]:
    """Return one row per value of `key`, in order; trials with None are left out."""
    values = sorted({value for trial in trials if (value := key(trial)) is not None})
    return {value: summarise([trial for trial in trials if key(trial) == value]) for value in values}


def trial_rows(trials: Sequence[TrialFigures]) -> list[dict[str, object]]:
    """Return a row per trial, with its name, subject and status: for distributions over trials, and to merge folds."""
    return [
        {"trial": trial.name, "subject": trial.subject, "status": trial.status, **summarise([trial])}
        for trial in trials
    ]


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


def _missed(matches: Sequence[BeatMatch]) -> float | None:
    true = sum(len(match.timing_ms) + match.missed for match in matches)
    return sum(match.missed for match in matches) / true if true else None


def _joined(parts: Iterable[Float64]) -> Float64:
    return np.concatenate([np.zeros(0), *parts])


def _mean(x: Float64) -> float | None:
    x = x[np.isfinite(x)]
    return round(float(x.mean()), 4) if len(x) else None


def _median(x: Float64) -> float | None:
    x = x[~np.isnan(x)]
    return round(middle, 3) if len(x) and np.isfinite(middle := float(np.median(x))) else None
