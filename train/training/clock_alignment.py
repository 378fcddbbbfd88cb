"""Corrects a constant clock offset between radar and ECG: shifts the ECG to the beats that a network detects.

In public data sets, and with recorders without a common clock, the offset is constant in a file but differs between
files. A network trained on such recordings without correction learns only blurred R peak times.
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
    """Shift the ECG and labels of every recording by the lag at which most beats match the network's."""
    return replace(data, recordings=tuple(_aligned(predict, each) for each in track(data.recordings, "aligning")))


def _aligned(predict: Predictor, recording: Recording) -> Recording:
    figures, _ = examine(predict, recording.trial, recording.labels)
    trial = later(recording.trial, round(figures.lag_ms / MS))
    return Recording(trial, label(trial))


def later(trial: Trial, samples: int) -> Trial:
    """Return the trial with ECG and R peaks delayed by `samples`; samples without a counterpart are cut off."""
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
