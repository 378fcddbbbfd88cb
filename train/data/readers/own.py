"""Reads own recordings with a reference ECG: the folder written by `radarecg record`, with two more files.

    ecg.csv        columns t_s (Unix time, s, same clock as the recording host) and ecg_mv, separated by commas,
                   semicolons or tabs; other units by the header, as in t_ms and "ECG [uV]"
    subject.toml   optional: subject (default: the folder's name), status, rhythm

The radar data are processed as on the device. Samples have no timestamps, so their times are a robust line fit to the
host times of their blocks, minus the delay of the processing. A frame is timestamped when its last packet arrives, up
to one frame after it was measured: the radar lags the ECG by this time. A trial is a stretch without gaps in radar and
ECG.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from scipy import interpolate, signal, stats

from edge.core.files import read_text_file
from edge.core.spec import RCG_RATE_HZ
from edge.core.toml import TomlError, parse_toml
from edge.core.types import Bool, Float32, Float64, RcgBlock
from edge.dsp.frontend.rcg import RcgExtractor, delay_s, find_problem
from edge.sources.recording import Recording, open_recording
from edge.sources.replay import ReplaySource
from train.data.readers.tables import read_table
from train.data.trial import Rhythm, Status, Trial, TrialError

MIN_DURATION_S = 10.0
MAX_STEP_RATIO = 5.0  # a step of the ECG's times over the median step; longer steps are gaps
MAX_CLOCK_ERROR_S = 0.02  # median distance of block times from their line; beyond it, the host's clock was set


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of subject.toml."""

    subject: str | None = None
    status: Status | None = None
    rhythm: Rhythm | None = None


@dataclass(frozen=True)
class Stretch:
    """Radar data without a restart: Unix times t_s [n], rcg_mm_s2 [P, n], covered [n], points_m [P, 3] if known."""

    t_s: Float64
    rcg_mm_s2: Float32
    covered: Bool
    points_m: Float64 | None


def read(path: Path) -> Iterator[Trial]:
    """Read a recording's folder, or all recordings in a folder, into trials of 10 s or more. Raises InputError."""
    path = path.absolute()  # the folder's name becomes the trial's name, and "." has none
    folders = [path] if (path / "meta.json").exists() else sorted(found.parent for found in path.glob("*/meta.json"))
    if not folders:
        raise TrialError(f"{path}: neither a recording nor a folder of recordings (`radarecg record` makes one)")
    for folder in folders:
        yield from _read_recording(folder)


def _read_recording(folder: Path) -> Iterator[Trial]:
    person = _person(folder / "subject.toml")
    t_s, ecg_mv = _ecg(folder / "ecg.csv")
    seen, count = "the radar found no chest for this long", 0
    for stretch in _stretches(open_recording(folder)):
        seen = f"the radar covers {stretch.t_s[0]:.1f} to {stretch.t_s[-1]:.1f} in its last stretch"
        usable = stretch.covered & _within(stretch.t_s, t_s)
        for part in _runs(usable):
            count += 1
            times = stretch.t_s[part]
            yield Trial(
                name=f"{folder.name}-{count:02d}",
                subject=person.subject or folder.name,
                rcg=stretch.rcg_mm_s2[:, part],
                ecg=_ecg_at(times, t_s, ecg_mv),
                points_m=stretch.points_m,
                status=person.status,
                rhythm=person.rhythm,
            )
    if not count:
        raise TrialError(
            f"{folder}: not {MIN_DURATION_S:g} s without a gap in radar and ECG; {seen}, "
            f"ecg.csv {t_s[0]:.1f} to {t_s[-1]:.1f}"
        )


def _person(path: Path) -> Person:
    if not path.exists():
        logging.getLogger(__name__).warning("%s not found: %s is used as the subject's name", path, path.parent.name)
        return Person()
    try:
        return parse_toml(read_text_file(path), Person)
    except TomlError as error:
        raise TrialError(f"{path}: {error}") from error


def _ecg(path: Path) -> tuple[Float64, Float64]:
    """Return times [k] and ECG [k]."""
    t_s, ecg_mv = read_table(path, "t_s", "ecg_mv").T
    steps = np.diff(t_s)
    if not np.isfinite([t_s, ecg_mv]).all() or (steps <= 0).any() or t_s[-1] - t_s[0] < MIN_DURATION_S:
        raise TrialError(f"{path}: must have {MIN_DURATION_S:g} s of numbers with rising times; remove invalid rows")
    return t_s, ecg_mv


def _ecg_at(times_s: Float64, t_s: Float64, ecg_mv: Float64) -> Float32:
    """Return the ECG at the times [n] of a stretch, from the ECG samples around it and not across gaps."""
    around = slice(np.searchsorted(t_s, times_s[0], "right") - 1, np.searchsorted(t_s, times_s[-1]) + 1)
    t_s, ecg_mv = t_s[around], ecg_mv[around]
    rate_hz = 1 / float(np.median(np.diff(t_s)))
    if rate_hz > RCG_RATE_HZ:
        low_pass = signal.butter(4, 0.45 * RCG_RATE_HZ, fs=rate_hz, output="sos")
        ecg_mv = signal.sosfiltfilt(low_pass, ecg_mv)
    return np.asarray(interpolate.CubicSpline(t_s, ecg_mv)(times_s), np.float32)


def _stretches(recording: Recording) -> Iterator[Stretch]:
    if problem := find_problem(recording.chirp, ReplaySource(recording).frames()):
        raise TrialError(f"{recording.path}: {problem}")
    extractor = RcgExtractor(recording.chirp)
    blocks: list[RcgBlock] = []
    for frame in ReplaySource(recording).frames():
        block = extractor.push(frame)
        if block is None:
            continue
        if block.restarted:
            yield from _stretch(recording, blocks)
            blocks = []
        blocks.append(block)
    yield from _stretch(recording, blocks)


def _stretch(recording: Recording, blocks: list[RcgBlock]) -> Iterator[Stretch]:
    """Yield the blocks as one stretch, if it is long enough."""
    last = np.cumsum([len(block.covered) for block in blocks]) - 1
    if not blocks or last[-1] + 1 < MIN_DURATION_S * RCG_RATE_HZ:
        return
    t_s = np.array([block.t_ns for block in blocks]) / 1e9 - delay_s(recording.chirp.frame_rate_hz)
    few = np.linspace(0, len(last) - 1, min(len(last), 500)).astype(int)
    line = stats.theilslopes(t_s[few] - last[few] / RCG_RATE_HZ, last[few])
    times = np.arange(last[-1] + 1) * (1 / RCG_RATE_HZ + line[0]) + line[1]
    if np.median(np.abs(times[last] - t_s)) > MAX_CLOCK_ERROR_S:
        raise TrialError(
            f"{recording.path}: the host's clock was set during the recording, so its times cannot be used"
        )
    rcg = np.concatenate([block.rcg_mm_s2.astype(np.float32) for block in blocks], axis=1)
    yield Stretch(times, rcg, np.concatenate([block.covered for block in blocks]), blocks[-1].points_m)


def _within(times_s: Float64, ecg_s: Float64) -> Bool:
    """Return which times lie between two ECG samples without a gap."""
    after = np.searchsorted(ecg_s, times_s)
    inside = (after > 0) & (after < len(ecg_s))
    steps = np.diff(ecg_s)
    step = steps[np.clip(after - 1, 0, len(steps) - 1)]
    return np.asarray(inside & (step < MAX_STEP_RATIO * np.median(steps)))


def _runs(usable: Bool) -> Iterator[slice]:
    """Yield the runs of at least MIN_DURATION_S in which `usable` is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], usable, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start >= MIN_DURATION_S * RCG_RATE_HZ:
            yield slice(start, stop)
