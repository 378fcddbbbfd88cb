"""Pictures of a recording: the chest's displacement, its SST, and the ECG beside it where there is one."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.dsp.phase import Resampler, SecondDerivative
from edge.dsp.rcg import RcgExtractor
from edge.dsp.sst import HOP, spectrograms
from edge.errors import InputError
from edge.frames import Bool, Float32, Float64, RcgBlock
from edge.recording import Recording
from edge.sources.replay import ReplaySource
from edge.spec import (
    NOT_A_DEVICE,
    RCG_RATE_HZ,
    SST_BIN_OCTAVES,
    SST_BINS,
    SST_COLUMN_RATE_HZ,
    SST_LOW_HZ,
    SST_WINDOW,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS_HZ = (1, 2, 5, 10, 20, 50)


@dataclass(frozen=True, slots=True)
class ChestMotion:
    """displacement_mm and rcg_mm_s2 [P, n] at RCG_RATE_HZ; ecg [m] at ecg_rate_hz from the same moment, or None."""

    name: str
    displacement_mm: Float64
    rcg_mm_s2: Float64
    ecg: Float64 | None = None
    ecg_rate_hz: float = 1.0


def motion_of_recording(name: str, recording: Recording) -> ChestMotion:
    """The longest stretch that one chest was followed without a restart. Raises InputError when there is none."""
    rcg = RcgExtractor(recording.chirp)
    stretches: list[list[RcgBlock]] = [[]]
    for frame in ReplaySource(recording).frames():
        if block := rcg.push(frame):
            if block.restarted:
                stretches.append([])
            stretches[-1].append(block)
    longest = max(stretches, key=lambda blocks: sum(len(block.covered) for block in blocks))
    if not longest:
        raise InputError(f"{name}: no chest found to draw{f': {rcg.problem}' if rcg.problem else ''}")
    displacement = np.concatenate([block.displacement_mm for block in longest], axis=1)
    return ChestMotion(name, displacement, np.concatenate([b.rcg_mm_s2 for b in longest], axis=1))


def motion_of_arrays(path: Path) -> ChestMotion:
    """An .npz with displacement_mm [P, n] or [n] and rate_hz; ecg [m] and ecg_rate_hz if there is one.

    Raises InputError naming what is missing.
    """
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            displacement = np.atleast_2d(np.asarray(arrays["displacement_mm"], np.float64))
            rate_hz = float(arrays["rate_hz"])
            ecg = np.asarray(arrays["ecg"], np.float64).ravel() if "ecg" in arrays else None
            ecg_rate_hz = float(arrays["ecg_rate_hz"]) if ecg is not None else 1.0
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: {error}; it should hold displacement_mm [channels, n] and rate_hz") from error
    covered: Bool = np.ones(displacement.shape[1], bool)
    displacement, covered = Resampler(rate_hz, RCG_RATE_HZ).push(displacement, covered)
    displacement, rcg, _ = SecondDerivative(RCG_RATE_HZ).push(displacement, covered)
    return ChestMotion(path.name, displacement, rcg, ecg, ecg_rate_hz)


def sst_of_whole(rcg_mm_s2: Float64) -> tuple[Float64, float]:
    """RCG [P, n] to the channels' mean SST [71, columns], largest about 1, and the time of its first column in s.

    Of every window the second before its last is shown, where it knows some of the future, as the network's middle.
    """
    columns: list[Float32] = []
    shown = slice(2 * SST_COLUMN_RATE_HZ, 3 * SST_COLUMN_RATE_HZ)
    first_s = 0.0
    for end, window in spectrograms(rcg_mm_s2):
        if not columns:
            first_s = (end - SST_WINDOW) / RCG_RATE_HZ + shown.start / SST_COLUMN_RATE_HZ
        columns.append(window.values[:, :, shown] * window.scale[:, None, None])
    if not columns:
        return np.zeros((SST_BINS, 0)), first_s
    magnitude = np.concatenate(columns, axis=2).astype(np.float64)
    level = np.quantile(magnitude, 0.999, axis=(1, 2), keepdims=True)
    return np.asarray((magnitude / np.where(level > 0, level, 1)).mean(axis=0)), first_s


def draw(motion: ChestMotion, start_s: float = 0.0, seconds: float = 8.0) -> Figure:
    """The panels one above the other, from `start_s` or from where the SST begins.

    Raises InputError when nothing is left to draw.
    """
    from matplotlib.figure import Figure

    magnitude, first_s = sst_of_whole(motion.rcg_mm_s2)
    start_s, last_s = max(start_s, first_s), first_s + magnitude.shape[1] / SST_COLUMN_RATE_HZ
    if magnitude.shape[1] == 0 or start_s >= last_s:
        length_s = motion.rcg_mm_s2.shape[1] / RCG_RATE_HZ
        raise InputError(
            f"{motion.name}: no SST to draw from {start_s:g} s on: of {length_s:.1f} s with a chest, the first "
            f"{first_s or (2 * SST_WINDOW - HOP) / RCG_RATE_HZ:g} s are history"
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

    edges_s = first_s + (np.arange(magnitude.shape[1] + 1) - 0.5) / SST_COLUMN_RATE_HZ
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
