"""Corrects a constant clock offset between radar and ECG: shifts the ECG to the beats that a network detects.

In public data sets, and with recorders without a common clock, the offset is constant in a file but differs between
files. A network trained on such recordings without correction learns only blurred R peak times.

The beats of a recording without an ECG are those of the motion itself (`train.data.motion_beats`): they too have one
constant lag after the R peaks, which can be longer, since either heart sound of a beat may be the stronger one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.progress import track

from edge.core.spec import RCG_RATE_HZ
from edge.inference.backends.base import Predictor
from train.data.dataset import DataSet, Recording
from train.data.labels import label
from train.data.trial import Trial
from train.evaluation.figures import constant_lag_ms, examine
from train.evaluation.metrics import MS, match_beats
from train.evaluation.reconstruct import reconstruct

MOTION_LAGS_MS = np.arange(-500.0, 501.0, 5.0)
MIN_AGREEMENT = 0.8
"""F1 of the network's beats and those of the motion after alignment, within MATCH_MS; below it the lag is a guess."""
MATCH_MS = 75.0


def aligned(predict: Predictor, data: DataSet) -> DataSet:
    """Shift the ECG and labels of every recording by the lag at which most beats match the network's."""
    return replace(data, recordings=tuple(_aligned(predict, each) for each in track(data.recordings, "aligning")))


def _aligned(predict: Predictor, recording: Recording) -> Recording:
    figures, _ = examine(predict, recording.trial, recording.labels)
    trial = later(recording.trial, round(figures.lag_ms / MS))
    return Recording(trial, label(trial))


def aligned_motion(predict: Predictor, data: DataSet) -> DataSet:
    """Shift the motion's beats of every recording to the network's R peaks; leave out those that do not agree."""
    shifted = (_aligned_motion(predict, each) for each in track(data.recordings, "aligning"))
    return replace(data, recordings=tuple(each for each in shifted if each))


def _aligned_motion(predict: Predictor, recording: Recording) -> Recording | None:
    found, true = reconstruct(predict, recording.trial.rcg).r_peaks, recording.labels.beats.r_peaks
    if not len(found):
        return None
    true = true[(true >= found[0] - RCG_RATE_HZ) & (true <= found[-1] + RCG_RATE_HZ)]
    lag = constant_lag_ms(found, true, MOTION_LAGS_MS) / MS
    if match_beats(found - lag, true, MATCH_MS).f1 < MIN_AGREEMENT:
        return None
    trial = later(recording.trial, round(lag))
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
