"""Computes the paper's figures for a network on recordings with a known ECG, and those of the classical heart rate.

Three evaluations of a recording: each window separately (radarODE-MTL Table I), the long-term ECG (its Figures 6 and
7), and the heart rate of every ten seconds, which is compared with the classical estimator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.spec import RCG_RATE_HZ, SST_WINDOW
from edge.core.types import Chest, Float32, Float64, RcgBlock
from edge.vitals.heart_motion import HeartMotion
from edge.vitals.rate_tracker import RateTracker
from train.data.labels import Labels
from train.data.readers.motion import integrated
from train.data.trial import Trial
from train.evaluation.long_ecg import LongEcg, Reconstructor
from train.evaluation.long_term import RATE_WINDOW, LongTermFigures, measure_ecg, plausible_bpm, rate_ends
from train.evaluation.metrics import LAG_MS, MS, BeatMatch, match_beats, pcc, rates_bpm, rmse
from train.evaluation.reconstruct import Reconstruction, reconstruct
from train.evaluation.windows import cycle_length, window_beats

_LAGS_MS = np.arange(-LAG_MS, LAG_MS + 1, 5)


@dataclass(frozen=True)
class TrialFigures:
    """Figures of one trial.

    Per window [w]: rmse and pcc of the piece, ppi_error_ms; without ECG no pieces. Of the long-term R peaks: `beats`;
    `aligned`, after subtraction of the file's constant lag `lag_ms`; `metronome`, the same for beats at constant
    intervals at the classical rate, as the F1 baseline that uses only the rate. `known`: the fraction of time for which
    there is a long-term ECG; `long_term`, its figures; None without a true ECG. Per ten seconds [s]: the true rate (NaN
    with an implausible cycle), the network's, the classical one (NaN: none), and the network's mean confidence. The
    network's beats have the delay of the stitching; the classical rate has none.
    """

    name: str
    subject: str
    status: str | None
    rmse: Float64
    pcc: Float64
    ppi_error_ms: Float64
    window_beats: BeatMatch
    beats: BeatMatch
    aligned: BeatMatch
    metronome: BeatMatch
    lag_ms: float
    known: float
    long_term: LongTermFigures | None
    true_bpm: Float64
    ours_bpm: Float64
    classical_bpm: Float64
    confidence: Float64


def examine(predict: Reconstructor, trial: Trial, labels: Labels) -> tuple[TrialFigures, Reconstruction]:
    """Process one trial as on the device, or as a network of whole ECGs does, and compare it with its labels."""
    ours = predict.reconstruct(trial) if isinstance(predict, LongEcg) else reconstruct(predict, trial.rcg)
    by_start = {end - SST_WINDOW: outputs for end, outputs in ours.windows}
    window_outputs = [by_start[int(start)] for start in labels.start]
    with_piece = np.flatnonzero(labels.has_piece)
    pieces = [(window_outputs[w].ecg.astype(np.float64), labels.piece[w].astype(np.float64)) for w in with_piece]
    lengths = np.array([cycle_length(outputs) for outputs in window_outputs])
    first, last = ours.windows[0][0] - SST_WINDOW, ours.windows[-1][0]
    true = labels.beats.r_peaks
    true = true[(true >= first) & (true < last)]
    lag_ms = constant_lag_ms(ours.r_peaks, true)
    ends, window = rate_ends(trial.seconds), RATE_WINDOW
    classical = classical_bpm(trial.rcg, ends)
    ticks = metronome(classical, ends, window)
    ticks = ticks[(ticks >= first) & (ticks < last)]
    return TrialFigures(
        trial.name,
        trial.subject,
        trial.status,
        np.array([rmse(*pair) for pair in pieces]),
        np.array([pcc(*pair) for pair in pieces]),
        np.abs(lengths - labels.length) * MS,
        window_beats(window_outputs, labels),
        match_beats(ours.r_peaks, true),
        match_beats(ours.r_peaks - lag_ms / MS, true),
        match_beats(ticks - constant_lag_ms(ticks, true) / MS, true),
        lag_ms,
        float(ours.valid_mask[first:last].mean()),
        None if trial.ecg is None else measure_ecg(ours.ecg, ours.valid_mask, trial, labels),
        plausible_bpm(labels.beats, ends, window),
        rates_bpm(ours.r_peaks, ends, window),
        classical,
        np.array([_mean(ours.confidence[(ours.r_peaks > end - window) & (ours.r_peaks <= end)]) for end in ends]),
    ), ours


def constant_lag_ms(found: Float64, true: Float64, lags_ms: Float64 = _LAGS_MS) -> float:
    """Return the lag of the found beats, of `lags_ms`, at which most of them match true ones; 0 without beats."""
    if not len(found) or not len(true):
        return 0.0
    away = (found[:, None] - true) * MS
    near = [float(np.exp(-(np.abs(away - lag).min(axis=1) ** 2) / (2 * 30**2)).sum()) for lag in lags_ms]
    return float(lags_ms[int(np.argmax(near))])


def metronome(bpm: Float64, ends: Float64, window: float) -> Float64:
    """Return beats, in samples, at constant intervals at the rate of each window; none without a rate."""
    ticks: list[float] = []
    for rate, end in zip(bpm, ends, strict=True):
        step = 60 * RCG_RATE_HZ / rate if np.isfinite(rate) else np.inf
        begin = ticks[-1] + step if ticks and ticks[-1] + step > end - window else end - window
        ticks.extend(np.arange(begin, end, step) if np.isfinite(step) else [])
    return np.array(ticks)


def classical_bpm(rcg: Float32, ends: Float64) -> Float64:
    """Return the tracker's rate from the motion alone at each of `ends`; NaN if it has none.

    Its inputs are acceleration and displacement; the latter is integrated, which preserves the pulse band.
    """
    displacement = integrated(rcg.astype(np.float64))
    weights, motion, tracker = np.full(len(rcg), 1 / len(rcg)), HeartMotion(), RateTracker()
    rates = {}
    for start in range(0, rcg.shape[1] - RCG_RATE_HZ + 1, RCG_RATE_HZ):
        part = slice(start, start + RCG_RATE_HZ)
        covered = np.ones(RCG_RATE_HZ, bool)
        acceleration = rcg[:, part].astype(np.float64)
        chest = Chest(0.5, 30, True)
        motion.push(RcgBlock(0, displacement[:, part], acceleration, weights, covered, 0.0, chest, start == 0))
        rates[part.stop] = tracker.update(motion.evidence()).bpm
    return np.array([rates.get(int(end)) or np.nan for end in ends])


def _mean(x: Float64) -> float:
    return float(x.mean()) if len(x) else 0.0
