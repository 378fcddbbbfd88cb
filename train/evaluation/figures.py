"""What a network makes of recordings with a known ECG, in the paper's figures, beside the classical heart rate.

Three views of the same recording: each window by itself (radarODE-MTL Table I), the long-term ECG (its Figure 6 and 7),
and the heart rate of every ten seconds, which the classical estimator gives too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, RCG_RATE_HZ, SST_WINDOW, WINDOW_S
from edge.core.types import Chest, Float32, Float64, RcgBlock, TaskOutputs
from edge.ecg.stitcher import Stitcher
from edge.inference.backends.base import Predictor
from edge.vitals.classical_heart_rate import HeartRateEstimator
from train.data.labels import Labels, clean_ecg
from train.data.peaks import Beats
from train.data.readers.motion import integrated
from train.data.trial import Trial
from train.evaluation.metrics import (
    LAG_MS,
    MS,
    BeatMatch,
    lag_adjusted_pcc,
    match_beats,
    pcc,
    rates_bpm,
    rmse,
    wave_timing_ms,
)
from train.evaluation.reconstruct import Reconstruction, reconstruct

_LAGS_MS = np.arange(-LAG_MS, LAG_MS + 1, 5)
_FAR = 100 * SST_WINDOW  # any sample of a stream will do


@dataclass(frozen=True)
class TrialFigures:
    """The figures of one trial. Of windows [w]: rmse and pcc of the piece (NaN without ECG), ppi_error_ms.

    `beats` matches the long-term R peaks, `aligned` after taking out the file's constant lag `lag_ms`, and `metronome`
    those of a metronome at the classical rate, likewise: what F1 is worth that knows nothing but the rate. Of the
    long-term ECG: `known`, the share of the time for which there is one, and there long_rmse, long_pcc, lag_pcc; a
    flat line where there is hardly any. waves_ms of Q, S, T. Of each ten seconds [s]: the true rate (NaN where a cycle
    is not to be believed), the network's, the classical one (NaN: none), and how sure the network is. The network's
    beats come with the stitching's delay, the classical rate at once.
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
    long_rmse: float
    long_pcc: float
    lag_pcc: float
    waves_ms: dict[str, Float64]
    true_bpm: Float64
    ours_bpm: Float64
    classical_bpm: Float64
    confidence: Float64


def examine(predict: Predictor, trial: Trial, labels: Labels) -> tuple[TrialFigures, Reconstruction]:
    """One trial through the device's chain, beside its truth."""
    ours = reconstruct(predict, trial.rcg)
    by_start = {end - SST_WINDOW: outputs for end, outputs in ours.windows}
    said = [by_start[int(start)] for start in labels.start]
    with_piece = np.flatnonzero(labels.has_piece)
    pieces = [(said[w].ecg.astype(np.float64), labels.piece[w].astype(np.float64)) for w in with_piece]
    lengths = np.array([cycle_length(outputs) for outputs in said])
    first, last = ours.windows[0][0] - SST_WINDOW, ours.windows[-1][0]
    true = labels.beats.r_peaks
    true = true[(true >= first) & (true < last)]
    lag_ms = constant_lag_ms(ours.r_peaks, true)
    long_rmse, long_pcc, lag_pcc, waves = np.nan, np.nan, np.nan, {}
    if trial.ecg is not None:
        ecg = clean_ecg(trial.ecg, labels.beats).astype(np.float64)
        seen = ours.known if ours.known.sum() > 2 * RCG_RATE_HZ else np.ones(len(ecg), bool)
        long_rmse, long_pcc = rmse(ours.ecg[seen], ecg[seen]), pcc(ours.ecg[seen], ecg[seen])
        lag_pcc, _ = lag_adjusted_pcc(ours.ecg, ecg, seen)
        waves = wave_timing_ms(ours.ecg, ecg, true, ours.known)
    ends = np.arange(WINDOW_S, trial.seconds + 1e-6, WINDOW_S) * RCG_RATE_HZ
    window = WINDOW_S * RCG_RATE_HZ
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
        window_beats(said, labels),
        match_beats(ours.r_peaks, true),
        match_beats(ours.r_peaks - lag_ms / MS, true),
        match_beats(ticks - constant_lag_ms(ticks, true) / MS, true),
        lag_ms,
        float(ours.known[first:last].mean()),
        long_rmse,
        long_pcc,
        lag_pcc,
        waves,
        believed_bpm(labels.beats, ends, window),
        rates_bpm(ours.r_peaks, ends, window),
        classical,
        np.array([_mean(ours.confidence[(ours.r_peaks > end - window) & (ours.r_peaks <= end)]) for end in ends]),
    ), ours


def cycle_length(outputs: TaskOutputs) -> float:
    """The length a window speaks of, in samples: the mean of the distribution around its maximum."""
    best = int(outputs.cycle.argmax())
    near = slice(max(0, best - 5), min(CYCLE_CLASSES, best + 6))
    weights = outputs.cycle[near].astype(np.float64)
    return CYCLE_MIN + float(np.average(np.arange(near.start, near.stop), weights=weights))


def window_beats(said: Iterable[TaskOutputs], labels: Labels) -> BeatMatch:
    """The anchors of every window taken by itself beside the true ones."""
    matches = []
    for outputs, anchors in zip(said, labels.anchors, strict=True):
        alone = Stitcher()
        parts = [alone.push(outputs, _FAR), alone.finish()]
        found = np.concatenate([part.r_peaks for part in parts]) - _FAR + SST_WINDOW
        matches.append(match_beats(found, np.flatnonzero(anchors).astype(np.float64)))
    timing = np.concatenate([match.timing_ms for match in matches]) if matches else np.zeros(0)
    return BeatMatch(timing, sum(match.missed for match in matches), sum(match.false for match in matches))


def constant_lag_ms(found: Float64, true: Float64) -> float:
    """The lag of the found beats that brings most of them onto true ones; 0 without beats."""
    if not len(found) or not len(true):
        return 0.0
    away = (found[:, None] - true) * MS
    near = [float(np.exp(-(np.abs(away - lag).min(axis=1) ** 2) / (2 * 30**2)).sum()) for lag in _LAGS_MS]
    return float(_LAGS_MS[int(np.argmax(near))])


def believed_bpm(beats: Beats, ends: Float64, window: float) -> Float64:
    """The true rates, as `rates_bpm` has them; NaN where a cycle in the window is not to be believed."""
    rates = rates_bpm(beats.r_peaks, ends, window)
    doubtful = ~beats.good
    for k, end in enumerate(ends):
        inside = (beats.r_peaks[:-1] > end - window) & (beats.r_peaks[1:] <= end)
        if (inside & doubtful).any():
            rates[k] = np.nan
    return rates


def metronome(bpm: Float64, ends: Float64, window: float) -> Float64:
    """Beats, in samples, evenly at the rate of each window up to its end; none where there is no rate."""
    ticks: list[float] = []
    for rate, end in zip(bpm, ends, strict=True):
        step = 60 * RCG_RATE_HZ / rate if np.isfinite(rate) else np.inf
        begin = ticks[-1] + step if ticks and ticks[-1] + step > end - window else end - window
        ticks.extend(np.arange(begin, end, step) if np.isfinite(step) else [])
    return np.array(ticks)


def classical_bpm(rcg: Float32, ends: Float64) -> Float64:
    """The classical estimator's rate at each of `ends`, streaming; NaN where it has none.

    It takes acceleration and displacement; the latter is integrated back, of which its pulse band remains.
    """
    displacement = integrated(rcg.astype(np.float64))
    weights, estimator = np.full(len(rcg), 1 / len(rcg)), HeartRateEstimator()
    rates = {}
    for start in range(0, rcg.shape[1] - RCG_RATE_HZ + 1, RCG_RATE_HZ):
        part = slice(start, start + RCG_RATE_HZ)
        covered = np.ones(RCG_RATE_HZ, bool)
        acceleration = rcg[:, part].astype(np.float64)
        chest = Chest(0.5, 30, True)
        estimator.push(RcgBlock(0, displacement[:, part], acceleration, weights, covered, 0.0, chest, start == 0))
        rates[part.stop] = estimator.update().bpm
    return np.array([rates.get(int(end)) or np.nan for end in ends])


def _mean(x: Float64) -> float:
    return float(x.mean()) if len(x) else 0.0
