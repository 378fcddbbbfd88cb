"""Computes the labels of a trial's windows: the targets of the three tasks, and which windows have none.

A window covers 800 samples from s on (`train.data.spectrograms.window_samples`). Its middle beat is the R peak nearest
to s + 400. The targets (radarODE-MTL section III):

* anchors: which of the 800 samples hold an R peak;
* cycle: the class of the middle beat's cycle, R to next R (`CYCLE_MIN` in `edge.core.spec`);
* piece: that cycle's ECG, from a third of it before R to two thirds after, in 200 samples: R at index 200/3.

The ECG of the pieces is filtered without a shift to remove drift and mains noise, its median is 0, and the QRS of the
trial's median beat is scaled to a height of 1, because a radar measures motion, which does not determine an ECG's
millivolts. Only the labels use non-causal filters; the device has no ECG.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import interpolate, signal

from edge.core.spec import (
    ANCHOR_CLASSES,
    CYCLE_CLASSES,
    CYCLE_MIN,
    ECG_PIECE_R_FRACTION,
    ECG_PIECE_SAMPLES,
    RCG_RATE_HZ,
    SST_DEFAULT,
    SstSpec,
)
from edge.core.types import Bool, Float32, Float64
from train.data.peaks import Beats, around, find_beats
from train.data.spectrograms import count_windows, window_samples
from train.data.trial import Trial

QRS_S = 0.06
ECG_BAND_HZ = (0.5, 40.0)  # bandwidth of a patient monitor: no drift, no mains noise


@dataclass(frozen=True)
class Labels:
    """Labels of the k usable windows of a trial, in order.

    window [k]: index of the window in the trial; start [k]: its first sample s in the trial.
    anchors [k, 800]: 1 at an R peak's nearest sample, else 0.
    beat [k]: the middle beat's R in samples after s; length [k]: its cycle in samples, not rounded; cycle [k]: class.
    piece [k, 200]: NaN if the trial has no ECG or the ECG does not cover the piece.
    moving [k]: fraction of the window with a labelled movement; NaN if movements are not labelled.
    beats: all R peaks of the trial, in its samples. excluded: number of excluded windows, by their first reason.
    """

    window: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    anchors: npt.NDArray[np.uint8]
    beat: Float64
    length: Float64
    cycle: npt.NDArray[np.int64]
    piece: Float32
    moving: Float32
    beats: Beats
    excluded: dict[str, int]

    @property
    def has_piece(self) -> Bool:
        """True for the windows [k] with an ECG piece."""
        return np.asarray(np.isfinite(self.piece).all(axis=1))


def label(trial: Trial, spec: SstSpec = SST_DEFAULT) -> Labels:
    """Compute the labels of the windows into which `spec` divides a trial."""
    samples = trial.rcg.shape[1]
    beats = find_beats(trial)
    exclusions = [_window_exclusion(beats, window_samples(w)) for w in range(count_windows(samples, spec))]
    window = np.array([w for w, exclusion in enumerate(exclusions) if not exclusion], np.int64)
    start = np.array([window_samples(int(w)).start for w in window], np.int64)
    r = beats.r_peaks
    middle = np.array([_middle(r, s) for s in start], np.int64)
    length = r[middle + 1] - r[middle]
    return Labels(
        window=window,
        start=start,
        anchors=_anchors(r, start),
        beat=r[middle] - start,
        length=length,
        cycle=_cycle(length),
        piece=_pieces(trial.ecg, beats, middle),
        moving=_moving(trial.moving, start),
        beats=beats,
        excluded=dict(Counter(exclusion for exclusion in exclusions if exclusion)),
    )


def clean_ecg(ecg: Float32, beats: Beats) -> Float32:
    """Remove drift and mains noise from an ECG [n]; scale its median to 0, its median beat's QRS to 1 peak to peak."""
    band = signal.butter(2, ECG_BAND_HZ, "bandpass", fs=RCG_RATE_HZ, output="sos")
    clean = signal.sosfiltfilt(band, ecg.astype(np.float64))
    clean -= np.median(clean)
    plausible = np.concatenate([beats.good, [False]]) | np.concatenate([[False], beats.good])
    height = np.ptp(np.median(around(beats.r_peaks[plausible], clean, QRS_S), axis=0))
    return np.asarray(clean / height, np.float32)


def _window_exclusion(beats: Beats, shown: slice) -> str:
    """Return why a window is excluded; empty if it is usable.

    beats: fewer than two R peaks. edge: a further R peak is expected in it, before the first or after the last known
    one. implausible: a cycle in it is implausible. length: its middle cycle is outside the classes.
    """
    r = beats.r_peaks
    if found := exclusion_reason(beats, shown):
        return found
    middle = _middle(r, shown.start)
    if middle == len(r) - 1:
        return "edge"
    if not beats.good[middle]:
        return "implausible"
    return "" if 0 <= _cycle(r[middle + 1] - r[middle]) < CYCLE_CLASSES else "length"


def exclusion_reason(beats: Beats, shown: slice) -> str:
    """Return why R peaks in these samples are unknown (see `_window_exclusion`); empty if all are known."""
    r = beats.r_peaks
    if len(r) < 2:
        return "beats"
    if shown.start < r[0] - (r[1] - r[0]) or shown.stop > r[-1] + (r[-1] - r[-2]):
        return "edge"
    return "" if beats.good[(r[:-1] < shown.stop) & (r[1:] > shown.start)].all() else "implausible"


def _middle(r_peaks: Float64, start: int) -> int:
    return int(np.abs(r_peaks - (start + ANCHOR_CLASSES / 2)).argmin())


def _cycle(length: Float64) -> npt.NDArray[np.int64]:
    return np.rint(length).astype(np.int64) - CYCLE_MIN


def _anchors(r_peaks: Float64, start: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    anchors = np.zeros((len(start), ANCHOR_CLASSES), np.uint8)
    index = np.rint(r_peaks - start[:, None]).astype(int)
    window, beat = np.nonzero((index >= 0) & (index < ANCHOR_CLASSES))
    anchors[window, index[window, beat]] = 1
    return anchors


def _pieces(ecg: Float32 | None, beats: Beats, middle: npt.NDArray[np.int64]) -> Float32:
    if ecg is None or len(middle) == 0:
        return np.full((len(middle), ECG_PIECE_SAMPLES), np.nan, np.float32)
    curve = interpolate.CubicSpline(np.arange(len(ecg)), clean_ecg(ecg, beats), extrapolate=False)
    length = beats.r_peaks[middle + 1] - beats.r_peaks[middle]
    at = (
        beats.r_peaks[middle, None]
        + (np.arange(ECG_PIECE_SAMPLES) / ECG_PIECE_SAMPLES - ECG_PIECE_R_FRACTION) * length[:, None]
    )
    return np.asarray(curve(at), np.float32)


def _moving(moving: Bool | None, start: npt.NDArray[np.int64]) -> Float32:
    if moving is None:
        return np.full(len(start), np.nan, np.float32)
    return np.array([moving[s : s + ANCHOR_CLASSES].mean() for s in start], np.float32)
