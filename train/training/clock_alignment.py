"""Two clocks made one: a recording's ECG is moved to where a network hears its beats.

Public sets, and recorders without a common clock, are off by a constant that differs from file to file. Who learns R
peaks from such recordings as they are learns that nobody knows where an R peak is.
"""

from __future__ import annotations

from dataclasses import replace

from rich.progress import track

from edge.core.spec import RCG_RATE_HZ
from edge.inference.backends.base import Predictor
from train.data.dataset import DataSet, Recording
from train.data.labels import label
from train.data.trial import Trial
from train.evaluation.figures import examine
from train.evaluation.metrics import MS


def aligned(predict: Predictor, data: DataSet) -> DataSet:
    """Every recording's ECG, with its labels, moved by the one lag that brings most beats onto the network's."""
    return replace(data, recordings=tuple(_aligned(predict, each) for each in track(data.recordings, "aligning")))


def _aligned(predict: Predictor, recording: Recording) -> Recording:
    figures, _ = examine(predict, recording.trial, recording.labels)
    trial = later(recording.trial, round(figures.lag_ms / MS))
    return Recording(trial, label(trial))


def later(trial: Trial, samples: int) -> Trial:
    """The trial with its ECG and R peaks so many samples later; what then has no counterpart is cut off."""
    ahead, behind = max(0, samples), max(0, -samples)
    kept = trial.rcg.shape[1] - ahead - behind
    r_peaks_s = None if trial.r_peaks_s is None else trial.r_peaks_s - behind / RCG_RATE_HZ
    return replace(
        trial,
        rcg=trial.rcg[:, ahead : ahead + kept],
        moving=None if trial.moving is None else trial.moving[ahead : ahead + kept],
        ecg=None if trial.ecg is None else trial.ecg[behind : behind + kept],
        r_peaks_s=None if r_peaks_s is None else r_peaks_s[(r_peaks_s >= 0) & (r_peaks_s < kept / RCG_RATE_HZ)],
    )
