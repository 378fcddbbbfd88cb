"""Networks that compute the ECG of a whole recording, measured with the same figures as those of single windows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.interpolate import CubicSpline

from edge.core.spec import (
    ANCHOR_CLASSES,
    CYCLE_CLASSES,
    CYCLE_MIN,
    ECG_PIECE_R_FRACTION,
    ECG_PIECE_SAMPLES,
    SST_WINDOW,
)
from edge.core.types import Float32, Float64, TaskOutputs
from edge.inference.backends.base import Predictor
from train.data.peaks import find_r_peaks
from train.data.spectrograms import count_windows, window_samples
from train.data.trial import Trial
from train.evaluation.reconstruct import Reconstruction

SIGMA = 1.0
"""Width in samples of the distributions that stand for a known time."""


class LongEcg(ABC):
    """Computes the ECG of a whole trial."""

    @abstractmethod
    def compute_ecg(self, trial: Trial) -> Float64:
        """Return the ECG [n] of the trial, in units of the QRS complex's height."""

    def reconstruct(self, trial: Trial) -> Reconstruction:
        """Return the ECG with its R peaks, found as those of a true ECG, and the window outputs that it implies."""
        ecg = self.compute_ecg(trial)
        r_peaks = find_r_peaks(ecg.astype(np.float32))
        ends = [window_samples(w).stop for w in range(count_windows(len(ecg)))]
        windows = [(end, window_outputs(ecg, r_peaks, end - SST_WINDOW)) for end in ends]
        return Reconstruction(ecg, np.ones(len(ecg), bool), r_peaks, np.ones(len(r_peaks)), windows)


Reconstructor = Predictor | LongEcg
"""Anything whose ECG can be evaluated."""


def window_outputs(ecg: Float64, r_peaks: Float64, start: int) -> TaskOutputs:
    """Return what the three tasks would have to be for a long ECG: its R peaks, middle cycle, and that cycle's piece.

    With fewer than two R peaks in the recording, all outputs are uniform.
    """
    if len(r_peaks) < 2:
        nowhere, piece = np.zeros(0), np.zeros(ECG_PIECE_SAMPLES, np.float32)
        return TaskOutputs(piece, _at(nowhere, ANCHOR_CLASSES), _at(nowhere, CYCLE_CLASSES))
    middle = min(int(np.abs(r_peaks - start - SST_WINDOW / 2).argmin()), len(r_peaks) - 2)
    r, length = r_peaks[middle], r_peaks[middle + 1] - r_peaks[middle]
    times = r + (np.arange(ECG_PIECE_SAMPLES) / ECG_PIECE_SAMPLES - ECG_PIECE_R_FRACTION) * length
    near = np.arange(max(0, int(times[0]) - 8), min(len(ecg), int(times[-1]) + 9))
    piece = CubicSpline(near, ecg[near])(np.clip(times, 0, len(ecg) - 1)).astype(np.float32)
    anchors, cycle = r_peaks - start, np.array([length - CYCLE_MIN])
    return TaskOutputs(piece, _at(anchors, ANCHOR_CLASSES), _at(np.clip(cycle, 0, CYCLE_CLASSES - 1), CYCLE_CLASSES))


def _at(places: Float64, classes: int) -> Float32:
    """Return a distribution with equal peaks at the places that are inside; uniform if there are none."""
    inside = places[(places > -0.5) & (places < classes - 0.5)]
    if not len(inside):
        return np.full(classes, 1 / classes, np.float32)
    peaks = np.exp(-0.5 * ((np.arange(classes)[:, None] - inside) / SIGMA) ** 2)
    return np.asarray((peaks / peaks.sum(axis=0)).mean(axis=1), np.float32)
