"""R peaks of an ECG, to a fraction of a sample, and which of the cycles between them can be believed.

NeuroKit2 finds them, as in the paper (radarODE-MTL section IV), on the ECG at 1000 Hz. It always finds something: on
a loose electrode, too. So every cycle is checked, and what is learnt or measured keeps to those that pass.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Bool, Float32, Float64
from train.data.trial import Rhythm, Trial

UPSAMPLED = 5
"""From RCG_RATE_HZ to 1000 Hz: NeuroKit2 asks for 500 or more."""
REFINE_S = 0.03  # NeuroKit2's peaks lie on its smoothed ECG: ours is looked for so near

SHORTEST_S, LONGEST_S = 0.3, 2.0  # 200 and 30 bpm
NEIGHBOURS = 5
OUTLIER = 0.3  # a cycle so much longer or shorter than the median of NEIGHBOURS: a beat missed, or one too many
SHAPE_S = 0.1
SHAPE_CORRELATION = 0.6  # with the median beat, within SHAPE_S of R


@dataclass(frozen=True)
class Beats:
    """R peaks in samples [k], rising; which cycles between them are good [k - 1]; how many are not, and why.

    A cycle counts under each of its reasons: `cycle` (no heart's), `outlier` (among its neighbours), `shape` (one of
    its R peaks does not look like the trial's others).
    """

    r_peaks: Float64
    good: Bool
    reasons: dict[str, int]


def find_beats(trial: Trial) -> Beats:
    """The trial's own R peaks, where it has any, or those of its ECG; checked either way."""
    if trial.r_peaks_s is not None:
        return check(trial.r_peaks_s * RCG_RATE_HZ, trial.ecg, trial.rhythm)
    assert trial.ecg is not None  # a Trial has either
    return check(find_r_peaks(trial.ecg), trial.ecg, trial.rhythm)


def find_r_peaks(ecg: Float32) -> Float64:
    """R peaks in samples [k], rising, of an ECG [n] at RCG_RATE_HZ; none where there is no beat."""
    import neurokit2  # type: ignore[import-untyped]  # seconds

    if np.ptp(ecg) == 0:
        return np.zeros(0)
    rate_hz = UPSAMPLED * RCG_RATE_HZ
    fine = signal.resample_poly(ecg.astype(np.float64), UPSAMPLED, 1, padtype="line")
    clean = neurokit2.ecg_clean(fine, sampling_rate=rate_hz)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no beats
        found = np.asarray(neurokit2.ecg_peaks(clean, sampling_rate=rate_hz)[1]["ECG_R_Peaks"], int)
    reach = round(REFINE_S * rate_hz)
    peaks = []
    for peak in found[(found > reach) & (found < len(clean) - reach - 1)]:
        top = peak - reach + int(clean[peak - reach : peak + reach + 1].argmax())
        before, at, after = clean[top - 1 : top + 2]
        bend = before - 2 * at + after
        peaks.append(top + (0.5 * (before - after) / bend if bend < 0 else 0.0))
    return np.unique(peaks) / UPSAMPLED


def check(r_peaks: Float64, ecg: Float32 | None, rhythm: Rhythm | None) -> Beats:
    """Which cycles can be believed.

    In fibrillation and with ectopic beats any cycle may follow any other; ectopic beats look as they like, too.
    """
    cycles_s = np.diff(r_peaks) / RCG_RATE_HZ
    bad = {"cycle": (cycles_s < SHORTEST_S) | (cycles_s > LONGEST_S)}
    if rhythm not in ("af", "ectopic") and len(cycles_s):
        usual_s = ndimage.median_filter(cycles_s, NEIGHBOURS, mode="nearest")
        bad["outlier"] = np.abs(cycles_s / usual_s - 1) > OUTLIER
    if rhythm != "ectopic" and ecg is not None and len(cycles_s):
        odd = shape_correlation(r_peaks, ecg) < SHAPE_CORRELATION
        bad["shape"] = odd[:-1] | odd[1:]
    good = ~np.any(list(bad.values()), axis=0)
    return Beats(r_peaks, good, {reason: int(where.sum()) for reason, where in bad.items()})


def shape_correlation(r_peaks: Float64, ecg: Float32) -> Float64:
    """Correlation [k] of each beat with the median beat, within SHAPE_S of R; the record's edges are held."""
    beats = around(r_peaks, ecg, SHAPE_S)
    beats = beats - beats.mean(axis=1, keepdims=True)
    usual = np.median(beats, axis=0)
    size = np.linalg.norm(beats, axis=1) * np.linalg.norm(usual)
    return np.asarray(beats @ usual / np.where(size > 0, size, np.inf))


def around(r_peaks: Float64, ecg: Float32 | Float64, reach_s: float) -> Float64:
    """The ECG within a reach of every R peak: [k, samples], the peak in the middle."""
    reach = round(reach_s * RCG_RATE_HZ)
    index = np.rint(r_peaks).astype(int)[:, None] + np.arange(-reach, reach + 1)
    return ecg[np.clip(index, 0, len(ecg) - 1)].astype(np.float64)
