"""Plots a recording: the chest's displacement, its SST, and the ECG if there is one."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.core.errors import InputError
from edge.core.intended_use import NOT_A_DEVICE
from edge.core.spec import RCG_RATE_HZ, SST_BIN_OCTAVES, SST_BINS, SST_COLUMN_RATE_HZ, SST_DEFAULT, SST_LOW_HZ, SST_PAST
from edge.core.types import Float64, RcgBlock
from edge.dsp.frontend.phase import Resampler, SecondDerivative
from edge.dsp.frontend.rcg import RcgExtractor
from edge.dsp.sst.transform import spectrograms
from edge.sources.recording import Recording
from edge.sources.replay import ReplaySource

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS_HZ = (1, 2, 5, 10, 20, 50)
_SHOWN = slice(2 * SST_COLUMN_RATE_HZ, 3 * SST_COLUMN_RATE_HZ)
_FIRST_S = SST_PAST / RCG_RATE_HZ + _SHOWN.start / SST_COLUMN_RATE_HZ
_ARRAYS = ("displacement_mm", "rate_hz", "ecg", "ecg_rate_hz")
_RATES_HZ = (10, 10_000)


@dataclass(frozen=True, slots=True)
class ChestMotion:
    """Chest motion to plot: displacement_mm and rcg_mm_s2 [P, n] at RCG_RATE_HZ.

    `ecg` [m] at `ecg_rate_hz` starts at the same time, or is None.
    """

    name: str
    displacement_mm: Float64
    rcg_mm_s2: Float64
    ecg: Float64 | None = None
    ecg_rate_hz: float = 1.0


def motion_of_recording(name: str, recording: Recording) -> ChestMotion:
    """Return the longest period in which one chest was tracked without a restart. Raises InputError if none."""
    rcg = RcgExtractor(recording.chirp, recording.calibration)
    stretches: list[list[RcgBlock]] = [[]]
    for frame in ReplaySource(recording).frames():
        if block := rcg.push(frame):
            if block.restarted:
                stretches.append([])
            stretches[-1].append(block)
    longest = max(stretches, key=lambda blocks: sum(len(block.covered) for block in blocks))
    if not longest:
        raise InputError(f"{name}: no chest found to plot{f': {rcg.problem}' if rcg.problem else ''}")
    displacement = np.concatenate([block.displacement_mm for block in longest], axis=1)
    return ChestMotion(name, displacement, np.concatenate([b.rcg_mm_s2 for b in longest], axis=1))


def motion_of_arrays(path: Path) -> ChestMotion:
    """Read an .npz file with displacement_mm [P, n] or [n] and rate_hz; ecg [m] and ecg_rate_hz are optional.

    Raises InputError that names the missing or invalid array.
    """
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            found = {name: np.asarray(arrays[name], np.float64) for name in _ARRAYS if name in arrays}
    except (TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not an .npz of plain numbers ({error})") from error
    if missing := {"displacement_mm", "rate_hz"} - found.keys():
        raise InputError(f"{path}: missing array {' and '.join(sorted(missing))}")
    if ("ecg" in found) != ("ecg_rate_hz" in found):
        raise InputError(f"{path}: an ECG needs both ecg and ecg_rate_hz")
    for name in {"rate_hz", "ecg_rate_hz"} & found.keys():
        if found[name].size != 1 or not _RATES_HZ[0] <= found[name].item() <= _RATES_HZ[1]:
            raise InputError(
                f"{path}: {name} is {found[name]}; it must be one number from {_RATES_HZ[0]} to {_RATES_HZ[1]}"
            )
    for name in {"displacement_mm", "ecg"} & found.keys():
        if found[name].size == 0 or found[name].ndim > 2 or not np.isfinite(found[name]).all():
            raise InputError(f"{path}: {name} {found[name].shape} is empty, has more than two axes, or is not finite")
    return motion_of_displacement(
        path.name,
        np.atleast_2d(found["displacement_mm"]),
        found["rate_hz"].item(),
        found["ecg"].ravel() if "ecg" in found else None,
        found["ecg_rate_hz"].item() if "ecg" in found else 1.0,
    )


def motion_of_displacement(
    name: str, displacement_mm: Float64, rate_hz: float, ecg: Float64 | None = None, ecg_rate_hz: float = 1.0
) -> ChestMotion:
    """Compute the chest's motion from its displacement [P, n], which must be finite, at any sampling rate."""
    x, covered = Resampler(rate_hz, RCG_RATE_HZ).push(displacement_mm, np.ones(displacement_mm.shape[1], bool))
    x, rcg, _ = SecondDerivative(RCG_RATE_HZ).push(x, covered)
    delay = SecondDerivative.DELAY  # the ECG is not delayed
    return ChestMotion(name, x[:, delay:], rcg[:, delay:], ecg, ecg_rate_hz)


def sst_of_whole(rcg_mm_s2: Float64) -> Float64:
    """Compute the channels' mean SST [71, columns] of RCG [P, n], scaled to a maximum of about 1, from 4 s on.

    The third second of every window is used: one more second follows it, as for most of what a network receives.
    """
    columns = [window.values[:, :, _SHOWN] * window.scale[:, None, None] for _, window in spectrograms(rcg_mm_s2)]
    if not columns:
        return np.zeros((SST_BINS, 0))
    magnitude = np.concatenate(columns, axis=2).astype(np.float64)
    level = np.quantile(magnitude, 0.999, axis=(1, 2), keepdims=True)
    return np.asarray((magnitude / np.where(level > 0, level, 1)).mean(axis=0))


def draw(motion: ChestMotion, start_s: float = 0.0, seconds: float = 8.0) -> Figure:
    """Draws the panels above each other, from `start_s` or from where the SST begins.

    Raises InputError when there is nothing to plot.
    """
    from matplotlib.figure import Figure

    magnitude = sst_of_whole(motion.rcg_mm_s2)
    start_s, last_s = max(start_s, _FIRST_S), _FIRST_S + magnitude.shape[1] / SST_COLUMN_RATE_HZ
    if start_s >= last_s:
        length_s = motion.rcg_mm_s2.shape[1] / RCG_RATE_HZ
        raise InputError(
            f"{motion.name}: no SST from {start_s:g} s on: the chest was tracked for {length_s:.1f} s; the SST needs "
            f"{SST_DEFAULT.segment / RCG_RATE_HZ:g} s of samples and begins at {_FIRST_S:g} s"
        )
    end_s = min(start_s + seconds, last_s)
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    heights = [1, 2, 1] if motion.ecg is not None else [1, 2]
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)

    t_s = np.arange(motion.displacement_mm.shape[1]) / RCG_RATE_HZ
    seen = (t_s >= start_s) & (t_s < end_s)
    moved = motion.displacement_mm[:, seen]
    panels[0].plot(t_s[seen], (moved - moved.mean(axis=1, keepdims=True)).T, color="tab:blue", alpha=0.5, linewidth=0.7)
    panels[0].set_ylabel("displacement, mm")
    panels[0].set_title(f"{motion.name}, {len(motion.displacement_mm)} channels. {NOT_A_DEVICE}", fontsize=9)

    edges_s = _FIRST_S + (np.arange(magnitude.shape[1] + 1) - 0.5) / SST_COLUMN_RATE_HZ
    edges_hz = SST_LOW_HZ * 2 ** (np.arange(SST_BINS + 1) * SST_BIN_OCTAVES)
    panels[1].pcolormesh(edges_s, edges_hz, np.sqrt(magnitude), cmap="magma", vmin=0, vmax=1, rasterized=True)
    panels[1].set_yscale("log")
    panels[1].set_yticks(_TICKS_HZ, [str(hz) for hz in _TICKS_HZ])
    panels[1].set_ylabel("SST (root), Hz")

    if motion.ecg is not None:
        t_s = np.arange(len(motion.ecg)) / motion.ecg_rate_hz
        seen = (t_s >= start_s) & (t_s < end_s)
        panels[2].plot(t_s[seen], motion.ecg[seen], color="tab:red", linewidth=0.9)
        panels[2].set_ylabel("ECG")
    panels[-1].set_xlabel("s")
    panels[-1].set_xlim(start_s, end_s)
    return figure
