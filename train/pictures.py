"""Reconstructed ECGs beside true ones, and the distributions of errors: what a person looks at first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from edge.frames import Float64
from edge.spec import NOT_A_DEVICE, RCG_RATE_HZ
from train.data.dataset import Recording
from train.data.labels import clean_ecg
from train.evaluation import TrialFigures
from train.reconstruct import Reconstruction

SHOWN_S = 10.0


def draw_reconstructions(pairs: Sequence[tuple[Recording, Reconstruction]], path: Path) -> None:
    """Ten seconds from the middle of each recording: the ECG, what was made of the radar, and its R peaks."""
    figure = Figure(figsize=(11, 1.9 * len(pairs) + 0.6), layout="constrained")
    panels = figure.subplots(len(pairs), 1, squeeze=False)[:, 0]
    for panel, (recording, ours) in zip(panels, pairs, strict=True):
        trial, labels = recording.trial, recording.labels
        first = max(0, min(len(ours.ecg) // 2, len(ours.ecg) - round(SHOWN_S * RCG_RATE_HZ)))
        shown = slice(first, first + round(SHOWN_S * RCG_RATE_HZ))
        t_s = np.arange(len(ours.ecg))[shown] / RCG_RATE_HZ
        if trial.ecg is not None:
            panel.plot(t_s, clean_ecg(trial.ecg, labels.beats)[shown], color="0.6", linewidth=1.2, label="ECG")
        panel.plot(t_s, np.where(ours.known, ours.ecg, np.nan)[shown], color="tab:red", linewidth=1, label="radar")
        panel.plot(labels.beats.r_peaks / RCG_RATE_HZ, np.full(len(labels.beats.r_peaks), 1.15), "v", color="0.6")
        panel.plot(ours.r_peaks / RCG_RATE_HZ, np.full(len(ours.r_peaks), 1.3), "v", color="tab:red", markersize=4)
        panel.set(xlim=(t_s[0], t_s[-1]), ylim=(-0.8, 1.5))
        panel.set_title(f"{trial.name}, subject {trial.subject}, {trial.status or ''}", fontsize=8, loc="left")
    panels[0].legend(loc="upper right", fontsize=8)
    panels[-1].set_xlabel(f"s     {NOT_A_DEVICE}")
    figure.savefig(path, dpi=110)


def draw_distributions(trials: Sequence[TrialFigures], path: Path) -> None:
    """Cumulative distributions over trials or beats (radarODE-MTL Figures 5 to 7)."""
    wanted: dict[str, Float64] = {
        "PCC of the long-term ECG": np.array([trial.long_pcc for trial in trials]),
        "RMSE of the long-term ECG": np.array([trial.long_rmse for trial in trials]),
        "R timing error, ms": np.abs(np.concatenate([trial.beats.timing_ms for trial in trials])),
        "heart rate error, bpm": np.abs(np.concatenate([trial.ours_bpm - trial.true_bpm for trial in trials])),
        "missed beats, %": np.array([100 * trial.beats.mdr for trial in trials]),
        "T timing error, ms": np.abs(np.concatenate([trial.waves_ms.get("T", np.zeros(0)) for trial in trials])),
    }
    figure = Figure(figsize=(11, 6), layout="constrained")
    for panel, (title, values) in zip(figure.subplots(2, 3).flat, wanted.items(), strict=True):
        values = np.sort(values[np.isfinite(values)])
        panel.plot(values, np.arange(1, len(values) + 1) / max(1, len(values)), color="tab:red")
        panel.set(title=title, ylim=(0, 1))
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
