"""Draws reconstructed and true ECGs, and the distributions of errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edge.core.intended_use import NOT_A_DEVICE
from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float64
from train.data.dataset import Recording
from train.data.labels import clean_ecg
from train.evaluation.figures import TrialFigures
from train.evaluation.reconstruct import Reconstruction

SHOWN_S = 10.0
TRUE, OURS, CLASSICAL = "0.6", "tab:red", "tab:blue"


def draw_reconstructions(pairs: Sequence[tuple[Recording, Reconstruction]], path: Path) -> None:
    """Draw ten seconds from the middle of each recording: true and reconstructed ECG, with the R peaks of both."""
    figure = Figure(figsize=(11, 1.7 * len(pairs) + 1), layout="constrained")
    panels = figure.subplots(len(pairs), 1, squeeze=False)[:, 0]
    for panel, (recording, ours) in zip(panels, pairs, strict=True):
        trial, labels = recording.trial, recording.labels
        first = max(0, min(len(ours.ecg) // 2, len(ours.ecg) - round(SHOWN_S * RCG_RATE_HZ)))
        shown = slice(first, first + round(SHOWN_S * RCG_RATE_HZ))
        t_s = np.arange(len(ours.ecg))[shown] / RCG_RATE_HZ
        if trial.ecg is not None:
            panel.plot(t_s, clean_ecg(trial.ecg, labels.beats)[shown], color=TRUE, linewidth=1.8, label="ECG")
        panel.plot(t_s, np.where(ours.valid_mask, ours.ecg, np.nan)[shown], color=OURS, linewidth=1, label="by radar")
        for r_peaks, height, color, label in (
            (labels.beats.r_peaks, 1.2, TRUE, "R peaks"),
            (ours.r_peaks, 1.5, OURS, "R peaks by radar"),
        ):
            panel.plot(r_peaks / RCG_RATE_HZ, np.full(len(r_peaks), height), "v", color=color, ms=5, label=label)
        panel.set(xlim=(t_s[0], t_s[-1]), ylim=(-0.5, 1.8), yticks=(0, 1))
        who = f"{trial.name}, subject {trial.subject}" + (f", {trial.status}" if trial.status else "")
        panel.set_title(who, fontsize=8, loc="left")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=8, frameon=False)
    panels[-1].set_xlabel(f"s; 1 is a QRS complex high.   {NOT_A_DEVICE}")
    figure.savefig(path, dpi=110)


def draw_distributions(trials: Sequence[TrialFigures], path: Path) -> None:
    """Draw cumulative distributions over trials, beats and stretches of ten seconds (radarODE-MTL Figures 5 to 7).

    The panel of the heart rate also shows the classical estimator.
    """
    ecgs = [trial.long_term for trial in trials if trial.long_term]
    wanted = {
        "trials: PCC of the long-term ECG": np.array([ecg.pcc for ecg in ecgs]),
        "trials: RMSE of the long-term ECG": np.array([ecg.rmse for ecg in ecgs]),
        "trials: missed beats, %": np.array([100 * trial.beats.mdr for trial in trials]),
        "beats: R timing error, ms": _sizes(trial.beats.timing_ms for trial in trials),
        "beats: T timing error, ms": _sizes(ecg.waves_ms["T"] for ecg in ecgs),
        "ten seconds: heart rate error, bpm": _sizes(trial.ours_bpm - trial.true_bpm for trial in trials),
    }
    figure = Figure(figsize=(11, 6), layout="constrained")
    panels = figure.subplots(2, 3).flat
    for panel, (title, values) in zip(panels, wanted.items(), strict=True):
        _draw_distribution(panel, values, OURS, "network")
        panel.set(title=title, ylim=(0, 1.02))
        panel.grid(alpha=0.3)
    _draw_distribution(panels[-1], _sizes(t.classical_bpm - t.true_bpm for t in trials), CLASSICAL, "classical")
    panels[-1].legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)


def _draw_distribution(panel: Axes, values: Float64, color: str, label: str) -> None:
    if len(known := values[np.isfinite(values)]):
        panel.ecdf(known, color=color, label=label)


def _sizes(errors: Iterable[Float64]) -> Float64:
    sizes: Float64 = np.abs(np.concatenate([np.zeros(0), *errors]))
    return sizes
