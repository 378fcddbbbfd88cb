"""Measures any long-term ECG against the true one: its R peaks, its Q, S and T waves, its heart rate and its shape.

Only the ECG itself is used, not the anchors of a network, so that networks which return a whole ECG (the comparators)
are measured alike. NeuroKit2 finds R peaks and waves in both ECGs, as in the paper (radarODE-MTL section IV-C).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import signal

from edge.core.spec import RCG_RATE_HZ, SST_DEFAULT, WINDOW_S
from edge.core.types import Bool, Float64
from train.data.labels import Labels, clean_ecg
from train.data.peaks import UPSAMPLING, Beats, find_r_peaks
from train.data.spectrograms import count_windows, window_samples
from train.data.trial import Trial, TrialError
from train.evaluation.metrics import (
    MATCH_MS,
    MS,
    BeatMatch,
    lag_adjusted_pcc,
    match_beats,
    match_pairs,
    pcc,
    rates_bpm,
    rmse,
)

WAVES = ("Q", "S", "T")
MIN_KNOWN_S = 2
RATE_WINDOW = WINDOW_S * RCG_RATE_HZ
"""Samples from which a heart rate is computed."""


@dataclass(frozen=True)
class LongTermFigures:
    """Figures of one long-term ECG.

    `known`: fraction of the time for which it exists. Within that time (all of it if it is less than MIN_KNOWN_S):
    rmse, pcc, and lag_pcc, at the best constant lag. `beats`: its R peaks, matched with the true ones; waves_ms of Q, S
    and T at the matched beats, ours minus true. Per ten seconds [s]: bpm, its heart rate, NaN if it has none; true_bpm,
    NaN with an implausible cycle.
    """

    known: float
    rmse: float
    pcc: float
    lag_pcc: float
    beats: BeatMatch
    waves_ms: dict[str, Float64]
    bpm: Float64
    true_bpm: Float64


def measure_ecg(ecg: Float64, valid_mask: Bool, trial: Trial, labels: Labels) -> LongTermFigures:
    """Measure an ECG [n] at RCG_RATE_HZ, which exists where `valid_mask` [n], against that of its trial.

    Beats count from the first to the last window of the trial's spectrograms, as for the networks that need them.
    Raises TrialError for a trial without an ECG.
    """
    if trial.ecg is None:
        raise TrialError(f"{trial.name}: has no ECG, only R peaks, so that a long-term ECG cannot be measured")
    truth = clean_ecg(trial.ecg, labels.beats).astype(np.float64)
    first, last = window_samples(0).start, window_samples(count_windows(len(ecg), SST_DEFAULT) - 1).stop
    true = labels.beats.r_peaks
    true = true[(true >= first) & (true < last)]
    seen = valid_mask if valid_mask.sum() > MIN_KNOWN_S * RCG_RATE_HZ else np.ones(len(ecg), bool)
    found = find_r_peaks(np.asarray(ecg, np.float32))
    found = found[valid_mask[np.minimum(np.rint(found).astype(int), len(ecg) - 1)]]
    counted = found[(found >= first - MATCH_MS / MS) & (found < last + MATCH_MS / MS)]
    ends = rate_ends(trial.seconds)
    return LongTermFigures(
        known=float(valid_mask[first:last].mean()),
        rmse=rmse(ecg[seen], truth[seen]),
        pcc=pcc(ecg[seen], truth[seen]),
        lag_pcc=lag_adjusted_pcc(ecg, truth, seen)[0],
        beats=match_beats(counted, true),
        waves_ms=wave_timing_ms(ecg, found, truth, true),
        bpm=rates_bpm(found, ends, RATE_WINDOW),
        true_bpm=plausible_bpm(labels.beats, ends, RATE_WINDOW),
    )


def rate_ends(seconds: float) -> Float64:
    """Return the samples at which heart rates are compared, every ten seconds."""
    return np.arange(WINDOW_S, seconds + 1e-6, WINDOW_S) * RCG_RATE_HZ


def plausible_bpm(beats: Beats, ends: Float64, window: float) -> Float64:
    """Return the true rates like `rates_bpm`; NaN if a cycle in the window is implausible."""
    rates = rates_bpm(beats.r_peaks, ends, window)
    implausible = ~beats.good
    for k, end in enumerate(ends):
        inside = (beats.r_peaks[:-1] > end - window) & (beats.r_peaks[1:] <= end)
        if (inside & implausible).any():
            rates[k] = np.nan
    return rates


def wave_timing_ms(ours: Float64, found: Float64, truth: Float64, r_peaks: Float64) -> dict[str, Float64]:
    """Return the time differences of Q, S and T in two ECGs, ours minus true, in ms, at the matched R peaks.

    Each wave is searched relative to the R peak of its own ECG, so that a shift of the whole ECG is an error of all
    waves. Waves that one of the two ECGs does not have are left out.
    """
    pairs = match_pairs(found, r_peaks)
    ours_at, true_at = delineate(ours, found), delineate(truth, r_peaks)
    errors = {
        wave: np.array([(ours_at[wave][i] - true_at[wave][j]) * MS for i, j in pairs], np.float64) for wave in WAVES
    }
    return {wave: values[np.isfinite(values)] for wave, values in errors.items()}


def delineate(ecg: Float64, r_peaks: Float64) -> dict[str, Float64]:
    """Return the positions [k] of Q, S and T at each R peak, in samples; NaN where a beat has no such wave.

    NeuroKit2's method "prominence": its default, by wavelets, gives the same positions in thirty times the time.
    """
    import neurokit2  # type: ignore[import-untyped]  # imported here because it takes seconds

    if len(r_peaks) < 2:  # the method derives its search windows from the intervals
        return {wave: np.full(len(r_peaks), np.nan) for wave in WAVES}
    fine = signal.resample_poly(ecg.astype(np.float64), UPSAMPLING, 1, padtype="line")
    at = np.clip(np.rint(r_peaks * UPSAMPLING).astype(int), 0, len(fine) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scipy, for extremes without prominence
        _, waves = neurokit2.ecg_delineate(fine, at, sampling_rate=UPSAMPLING * RCG_RATE_HZ, method="prominence")
    return {wave: np.array(waves[f"ECG_{wave}_Peaks"], np.float64) / UPSAMPLING for wave in WAVES}
