"""Finds the R peaks of an ECG, to a fraction of a sample, and checks the cycles between them.

NeuroKit2 finds them, as in the paper (radarODE-MTL section IV), on the ECG at 1000 Hz. It always finds peaks, even
with a loose electrode. Therefore every cycle is checked, and only plausible cycles are used for training and metrics.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Bool, Float32, Float64
from train.data.trial import Rhythm, Trial

UPSAMPLING = 5
"""From RCG_RATE_HZ to 1000 Hz: NeuroKit2 requires 500 Hz or more."""
REFINE_REACH_S = 0.03  # NeuroKit2 finds peaks of its smoothed ECG; the true maximum is searched within this distance

MIN_CYCLE_S, MAX_CYCLE_S = 0.3, 2.0  # 200 and 30 bpm
NEIGHBOURS = 5
MAX_CYCLE_DEVIATION = 0.3  # relative to the median of NEIGHBOURS; beyond it, a beat is missing or false
SHAPE_S = 0.1
MIN_SHAPE_CORRELATION = 0.6  # with the median beat, within SHAPE_S of R


@dataclass(frozen=True)
class Beats:
    """R peaks in samples [k], rising; the plausible cycles between them [k - 1]; the number of implausible, by reason.

    A cycle counts under each of its reasons: `cycle` (impossible length), `outlier` (differs from its neighbours),
    `shape` (the ECG around one of its R peaks differs from the trial's other beats).
    """

    r_peaks: Float64
    good: Bool
    reasons: dict[str, int]


def find_beats(trial: Trial) -> Beats:
    """Return the trial's own R peaks, if it has any, otherwise those of its ECG; both are checked."""
    if trial.r_peaks_s is not None:
        return check(trial.r_peaks_s * RCG_RATE_HZ, trial.ecg, trial.rhythm)
    assert trial.ecg is not None  # a Trial has R peaks or an ECG
    return check(find_r_peaks(trial.ecg), trial.ecg, trial.rhythm)


def find_r_peaks(ecg: Float32) -> Float64:
    """Find the R peaks in samples [k], rising, of an ECG [n] at RCG_RATE_HZ; empty without beats."""
    import neurokit2  # type: ignore[import-untyped]  # imported here because it takes seconds

    if np.ptp(ecg) == 0:
        return np.zeros(0)
    rate_hz = UPSAMPLING * RCG_RATE_HZ
    fine = signal.resample_poly(ecg.astype(np.float64), UPSAMPLING, 1, padtype="line")
    clean = neurokit2.ecg_clean(fine, sampling_rate=rate_hz)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no beats
        found = np.asarray(neurokit2.ecg_peaks(clean, sampling_rate=rate_hz)[1]["ECG_R_Peaks"], int)
    reach = round(REFINE_REACH_S * rate_hz)
    peaks = []
    for peak in found[(found > reach) & (found < len(clean) - reach - 1)]:
        top = peak - reach + int(clean[peak - reach : peak + reach + 1].argmax())
        before, at, after = clean[top - 1 : top + 2]
        bend = before - 2 * at + after
        peaks.append(top + (0.5 * (before - after) / bend if bend < 0 else 0.0))
    return np.unique(peaks) / UPSAMPLING


def check(r_peaks: Float64, ecg: Float32 | None, rhythm: Rhythm | None) -> Beats:
    """Check which cycles are plausible.

    In fibrillation and with ectopic beats any cycle may follow any other; ectopic beats may also have any shape.
    """
    cycles_s = np.diff(r_peaks) / RCG_RATE_HZ
    bad = {"cycle": (cycles_s < MIN_CYCLE_S) | (cycles_s > MAX_CYCLE_S)}
    if rhythm not in ("af", "ectopic") and len(cycles_s):
        usual_s = ndimage.median_filter(cycles_s, NEIGHBOURS, mode="nearest")
        bad["outlier"] = np.abs(cycles_s / usual_s - 1) > MAX_CYCLE_DEVIATION
    if rhythm != "ectopic" and ecg is not None and len(cycles_s):
        odd = shape_correlation(r_peaks, ecg) < MIN_SHAPE_CORRELATION
        bad["shape"] = odd[:-1] | odd[1:]
    good = ~np.any(list(bad.values()), axis=0)
    return Beats(r_peaks, good, {reason: int(where.sum()) for reason, where in bad.items()})


def shape_correlation(r_peaks: Float64, ecg: Float32) -> Float64:
    """Return the correlation [k] of each beat with the median beat, within SHAPE_S of R; edge samples are repeated."""
    beats = around(r_peaks, ecg, SHAPE_S)
    beats = beats - beats.mean(axis=1, keepdims=True)
    usual = np.median(beats, axis=0)
    size = np.linalg.norm(beats, axis=1) * np.linalg.norm(usual)
    return np.asarray(beats @ usual / np.where(size > 0, size, np.inf))


def around(r_peaks: Float64, ecg: Float32 | Float64, reach_s: float) -> Float64:
    """Return the ECG within `reach_s` of every R peak: [k, samples], with the peak in the middle."""
    reach = round(reach_s * RCG_RATE_HZ)
    index = np.rint(r_peaks).astype(int)[:, None] + np.arange(-reach, reach + 1)
    return ecg[np.clip(index, 0, len(ecg) - 1)].astype(np.float64)
