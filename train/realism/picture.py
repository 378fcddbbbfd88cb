"""Draws the figure of `train.realism.compare`: spectra and the distribution of every statistic, by set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from train.realism.measured import CONTEXT_ROWS, ROWS, Measured, values
from train.realism.statistics import BAND_HZ

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4
_COLORS = ("tab:blue", "tab:gray", "tab:orange")


def draw(sets: dict[str, list[Measured]]) -> Figure:
    """Draw one panel per statistic (box: quartiles; whiskers: 5 to 95 %), the spectra first."""
    from matplotlib.figure import Figure

    rows = ROWS | CONTEXT_ROWS
    figure = Figure(figsize=(14, 3 * -(-(len(rows) + 2) // _COLUMNS)), layout="constrained")
    grid = figure.add_gridspec(-(-(len(rows) + 2) // _COLUMNS), _COLUMNS)
    spectra = figure.add_subplot(grid[0, :2])
    for (name, measured), color in zip(sets.items(), _COLORS, strict=True):
        db = 10 * np.log10(np.array([one.power for one in measured]) + 1e-12)
        f_hz = 0.5 * np.arange(db.shape[1])
        low, median, high = np.percentile(db, (25, 50, 75), axis=0)
        spectra.plot(f_hz, median, color=color, label=name)
        spectra.fill_between(f_hz, low, high, color=color, alpha=0.2, linewidth=0)
    for edge_hz in BAND_HZ:
        spectra.axvline(edge_hz, color="black", linewidth=0.6, linestyle=":")
    spectra.set(xlim=(0, 50), ylim=(-60, 0), xlabel="Hz", title="power, share of the band's, dB")
    spectra.legend()
    for place, (name, label) in enumerate(rows.items(), start=2):
        axes = figure.add_subplot(grid[place // _COLUMNS, place % _COLUMNS])
        found = [values(measured, name) for measured in sets.values()]
        boxes = axes.boxplot(found, whis=(5, 95), showfliers=False, patch_artist=True, widths=0.6)
        for box, color in zip(boxes["boxes"], _COLORS, strict=True):
            box.set_facecolor(color)
        axes.set_xticks(range(1, len(sets) + 1), list(sets))
        axes.set_title(label, fontsize=10)
    return figure
