"""The pictures of a report, as SVG."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edge.analysis.result import SAMPLE_NS, Result
from edge.core.spec import SST_BIN_OCTAVES, SST_BINS, SST_LOW_HZ
from edge.core.types import Bool, Float64

STRIP_S = 10.0
MAX_TREND_ROWS = 1500
_INK, _RATE, _WITHHELD, _MOVEMENT = "#1a1a1a", "#b3261e", "#d9d9d9", "#f2b84b"
_TICKS_HZ = (1, 2, 5, 10, 20, 50)


def draw_trend(result: Result) -> str:
    """Draw the heart rate with its 95 % interval and the breathing rate; grey where a rate is withheld."""
    seconds = result.seconds
    is_long = result.duration_s > 2 * 3600
    unit, unit_s = ("h", 3600) if is_long else ("min", 60) if result.duration_s > 300 else ("s", 1)
    each = max(1, math.ceil(result.duration_s / MAX_TREND_ROWS))

    def binned(values: Float64, of: Callable[..., Any]) -> Float64:
        return _binned(result.each_second(values), each, of)

    low, high = binned(seconds.heart_rate_low_bpm, np.nanmin), binned(seconds.heart_rate_high_bpm, np.nanmax)
    moved = binned(np.asarray(seconds.movement != "none", np.float64), np.nanmax)
    t = np.arange(len(low)) * each / unit_s
    figure = Figure(figsize=(10, 4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for axes, values, label, color in (
        (top, seconds.heart_rate_bpm, "heart rate, /min", _RATE),
        (bottom, seconds.breathing_rate_bpm, "breathing, /min", _INK),
    ):
        rate = binned(values, np.nanmedian)
        _shade(axes, t - each / unit_s, each / unit_s, np.isnan(rate), _WITHHELD)
        axes.plot(t, rate, color=color, linewidth=1.4)
        if not np.isnan(rate).all():
            axes.set_ylim(np.nanmin(rate) - 3, np.nanmax(rate) + 3)
        axes.set_ylabel(label)
        _tidy(axes)
    top.fill_between(t, low, high, color=_RATE, alpha=0.2, linewidth=0)
    if not np.isnan(low).all():
        top.set_ylim(np.nanmin(low) - 1, np.nanmax(high) + 1)
    at = t[moved > 0]
    top.plot(at, np.zeros(len(at)), "|", color=_MOVEMENT, markersize=14, transform=top.get_xaxis_transform())
    bottom.set_xlabel(unit)
    bottom.set_xlim(0, result.duration_s / unit_s)
    return _svg(figure)


def draw_strip(result: Result, start_s: float) -> str:
    """Draw STRIP_S of the ECG with its R peaks; grey where it is unknown, amber while the chest moved."""
    figure = Figure(figsize=(10, 1.7), layout="constrained")
    axes = figure.subplots()
    t_s = np.arange(len(result.ecg_mv)) * SAMPLE_NS / 1e9
    shown = (t_s >= start_s) & (t_s < start_s + STRIP_S)
    ecg = result.ecg_mv[shown]
    _shade(axes, t_s[shown], SAMPLE_NS / 1e9, np.isnan(ecg), _WITHHELD)
    moved = result.seconds.movement != "none"
    _shade(axes, (result.seconds.t_ns - result.start_ns) / 1e9 - 1, 1.0, moved, _MOVEMENT, alpha=0.5)
    axes.plot(t_s[shown], ecg, color=_INK, linewidth=1)
    peaks_s = (result.r_peak_t_ns - result.start_ns) / 1e9
    peaks_s = peaks_s[(peaks_s >= start_s) & (peaks_s < start_s + STRIP_S)]
    axes.plot(peaks_s, np.full(len(peaks_s), 1.25), "v", color=_RATE, markersize=5)
    axes.set(xlim=(start_s, start_s + STRIP_S), ylim=(-0.7, 1.45), yticks=[])
    axes.set_xticks(start_s + np.arange(STRIP_S + 1))
    axes.grid(axis="x", color="#e5e5e5")
    axes.set_xlabel("s")
    return _svg(figure)


def draw_tachogram(result: Result) -> str:
    """Draw the time between successive R peaks; none across a gap of the ECG."""
    figure = Figure(figsize=(10, 2.2), layout="constrained")
    axes = figure.subplots()
    at_s, cycles_ms = cycles(result)
    axes.plot(at_s, cycles_ms, ".", color=_RATE, markersize=4)
    axes.set(xlim=(0, result.duration_s), xlabel="s", ylabel="R to R, ms")
    _tidy(axes)
    return _svg(figure)


def cycles(result: Result) -> tuple[Float64, Float64]:
    """Return the time between successive R peaks, in ms [k], and its end in s; only where the ECG between is known."""
    at = result.sample_at(result.r_peak_t_ns)
    unknown = np.concatenate([[0], np.cumsum(np.isnan(result.ecg_mv))])
    is_adjacent = unknown[at[1:]] == unknown[at[:-1]]
    ends_s = (result.r_peak_t_ns[1:] - result.start_ns) / 1e9
    return ends_s[is_adjacent], np.diff(result.r_peak_t_ns)[is_adjacent] / 1e6


def draw_sst(result: Result) -> str | None:
    """Draw the SST of the most reliable stretch with its R peaks; None if there is none."""
    if result.best is None:
        return None
    magnitude = result.best.magnitude
    start_s, end_s = ((t_ns - result.start_ns) / 1e9 for t_ns in (result.best.start_ns, result.best.end_ns))
    figure = Figure(figsize=(10, 3), layout="constrained")
    axes = figure.subplots()
    edges_s = np.linspace(start_s, end_s, magnitude.shape[1] + 1)
    edges_hz = SST_LOW_HZ * 2 ** (np.arange(SST_BINS + 1) * SST_BIN_OCTAVES)
    axes.pcolormesh(edges_s, edges_hz, np.sqrt(magnitude), cmap="magma", vmin=0, vmax=1, rasterized=True)
    peaks_s = (result.r_peak_t_ns - result.start_ns) / 1e9
    peaks_s = peaks_s[(peaks_s >= start_s) & (peaks_s < end_s)]
    axes.plot(peaks_s, np.full(len(peaks_s), 80.0), "v", color="white", markersize=5)
    axes.set_yscale("log")
    axes.set_yticks(_TICKS_HZ, [str(hz) for hz in _TICKS_HZ])
    axes.set(xlabel="s", ylabel="Hz")
    return _svg(figure)


def choose_strips(result: Result, most: int) -> Iterator[float]:
    """Yield the starts of at most `most` strips, in s: all of a short recording, else evenly spread ones."""
    count = max(1, int(np.ceil(result.duration_s / STRIP_S)))
    chosen = np.arange(count) if count <= most else np.unique(np.linspace(0, count - 1, most).round())
    yield from (chosen * STRIP_S).tolist()


def _binned(values: npt.NDArray[Any], each: int, of: Callable[..., Any]) -> Float64:
    """Return one value for each `each` rows; NaN if none of them has one."""
    rows = np.pad(values.astype(float), (0, -len(values) % each), constant_values=np.nan).reshape(-1, each)
    found = np.full(len(rows), np.nan)
    has_value = ~np.isnan(rows).all(axis=1)
    found[has_value] = of(rows[has_value], axis=1)
    return found


def _shade(axes: Axes, t: Float64, step: float, where: Bool, color: str, alpha: float = 1.0) -> None:
    """Shade the time from `t` to `t` + `step` of the rows that are true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]])))
    for first, last in edges.reshape(-1, 2).tolist():
        axes.axvspan(t[first], t[last - 1] + step, color=color, alpha=alpha, linewidth=0)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e5e5")


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "radarecg"}):
        figure.savefig(out, format="svg", dpi=100, metadata={"Date": None})
    return out.getvalue()
