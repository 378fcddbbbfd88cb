"""Draws a trial: the RCG of some points, the mean SST of all points, and the ECG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.cli.plot import sst_of_whole
from edge.core.intended_use import NOT_A_DEVICE
from edge.core.spec import RCG_RATE_HZ, SST_BIN_OCTAVES, SST_BINS, SST_COLUMN_RATE_HZ, SST_LOW_HZ
from train.data.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_POINTS = 5
SHOWN_S = 8.0
_SST_FROM_S = 4.0  # where `sst_of_whole` begins
_BEFORE_S, _AFTER_S = _SST_FROM_S + 1, 2.0  # needed around the part that is shown
MIN_S = round(_BEFORE_S + SHOWN_S + _AFTER_S)
"""The shortest trial that can be drawn."""
_TICKS_HZ = (1, 2, 5, 10, 20, 50)


def draw_trial(trial: Trial) -> Figure:
    """Draw three panels, one above the other, of SHOWN_S in the middle of a trial of at least MIN_S."""
    from matplotlib.figure import Figure

    start_s = _BEFORE_S + (trial.rcg.shape[1] // RCG_RATE_HZ - MIN_S) // 2
    first, last = (round(at_s * RCG_RATE_HZ) for at_s in (start_s, start_s + SHOWN_S))
    t_s = np.arange(first, last) / RCG_RATE_HZ
    figure = Figure(figsize=(12, 8), layout="constrained")
    rcg, sst, ecg = figure.subplots(3, 1, sharex=True)

    points = np.linspace(0, len(trial.rcg) - 1, SHOWN_POINTS).astype(int)
    rcg.plot(t_s, trial.rcg[points, first:last].T, linewidth=0.7)
    rcg.set_ylabel("RCG, mm/s²")
    rcg.set_title(f"{trial.name}, simulated: {trial.rhythm}, {trial.status}. {NOT_A_DEVICE}", fontsize=9)

    around = trial.rcg[:, first - round(_BEFORE_S * RCG_RATE_HZ) : last + round(_AFTER_S * RCG_RATE_HZ)]
    magnitude = sst_of_whole(around.astype(np.float64))
    edges_s = start_s - 1 + (np.arange(magnitude.shape[1] + 1) - 0.5) / SST_COLUMN_RATE_HZ
    edges_hz = SST_LOW_HZ * 2 ** (np.arange(SST_BINS + 1) * SST_BIN_OCTAVES)
    sst.pcolormesh(edges_s, edges_hz, np.sqrt(magnitude), cmap="magma", vmin=0, vmax=1, rasterized=True)
    sst.set_yscale("log")
    sst.set_yticks(_TICKS_HZ, [str(hz) for hz in _TICKS_HZ])
    sst.set_ylabel("SST (root), Hz")

    if trial.ecg is not None:
        ecg.plot(t_s, trial.ecg[first:last], color="tab:red", linewidth=0.9)
    ecg.set_ylabel("ECG, mV")
    ecg.set_xlabel("s")
    ecg.set_xlim(start_s, start_s + SHOWN_S)
    return figure
