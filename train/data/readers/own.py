"""Our own recordings with a reference ECG: what `radarecg record` wrote, and two files put beside it in its folder.

    ecg.csv        columns t_s (Unix time, s, by the same clock as the host that recorded) and ecg_mv, with commas,
                   semicolons or tabs between them; other units by the header, as in t_ms and "ECG [uV]"
    subject.toml   optional: subject (default: the folder's name), status, rhythm

The radar's side is the device's own chain. Its samples are counted, not stamped, so their times are a line through the
host times of their blocks, robust to what came late; the chain's delay is taken off. A frame is stamped when its last
packet arrives, up to one frame after it was seen: that much the radar lags the ECG. A trial is a stretch without a gap
on either side.
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
from edge.core.types import Bool, Float32, Float64, RcgBlock
from edge.dsp.frontend.rcg import RcgExtractor, delay_s
from edge.pipeline import first_problem
from edge.sources.recording import Recording, open_recording
from edge.sources.replay import ReplaySource
from train.data.readers.tables import read_table
from train.data.trial import Rhythm, Status, Trial, TrialError

SHORTEST_S = 10.0
ECG_GAP_STEPS = 5.0  # an ECG's step so many times the usual one is a gap
CLOCK_JUMP_S = 0.02  # half of the blocks off their line by more: the host's clock was set meanwhile


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """subject.toml."""

    subject: str | None = None
    status: Status | None = None
    rhythm: Rhythm | None = None


@dataclass(frozen=True)
class Stretch:
    """Radar without a restart: Unix times t_s [n], rcg_mm_s2 [P, n], covered [n], points_m [P, 3] where known."""

    t_s: Float64
    rcg_mm_s2: Float32
    covered: Bool
    points_m: Float64 | None


def read(path: Path) -> Iterator[Trial]:
    """A recording's folder, or every one inside the folder, to trials of 10 s or more. Raises InputError."""
    path = path.absolute()  # a folder's name is a trial's, and "." is none
    folders = [path] if (path / "meta.json").exists() else sorted(found.parent for found in path.glob("*/meta.json"))
    if not folders:
        raise TrialError(f"{path}: no recording and no folder of recordings (`radarecg record` makes one)")
    for folder in folders:
        yield from _read_recording(folder)


def _read_recording(folder: Path) -> Iterator[Trial]:
    person = _person(folder / "subject.toml")
    t_s, ecg_mv = _ecg(folder / "ecg.csv")
    seen, count = "the radar shows no chest for so long", 0
    for stretch in _stretches(open_recording(folder)):
        seen = f"the radar covers {stretch.t_s[0]:.1f} to {stretch.t_s[-1]:.1f} at last"
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
            f"{folder}: not {SHORTEST_S:g} s without a gap on both sides; {seen}, ecg.csv {t_s[0]:.1f} to {t_s[-1]:.1f}"
        )


def _person(path: Path) -> Person:
    if not path.exists():
        logging.getLogger(__name__).warning("%s is not there: %s is taken for a person's name", path, path.parent.name)
        return Person()
    try:
        return msgspec.toml.decode(read_text_file(path), type=Person)
    except msgspec.DecodeError as error:
        raise TrialError(f"{path}: {error}") from error


def _ecg(path: Path) -> tuple[Float64, Float64]:
    """Times [k] and ECG [k]."""
    t_s, ecg_mv = read_table(path, "t_s", "ecg_mv").T
    steps = np.diff(t_s)
    if not np.isfinite([t_s, ecg_mv]).all() or (steps <= 0).any() or t_s[-1] - t_s[0] < SHORTEST_S:
        raise TrialError(f"{path}: {SHORTEST_S:g} s of numbers with rising times are needed; cut out what is none")
    return t_s, ecg_mv


def _ecg_at(times_s: Float64, t_s: Float64, ecg_mv: Float64) -> Float32:
    """The ECG at the times [n] of a stretch, from its samples around these and none beyond a gap."""
    around = slice(np.searchsorted(t_s, times_s[0], "right") - 1, np.searchsorted(t_s, times_s[-1]) + 1)
    t_s, ecg_mv = t_s[around], ecg_mv[around]
    rate_hz = 1 / float(np.median(np.diff(t_s)))
    if rate_hz > RCG_RATE_HZ:
        low_pass = signal.butter(4, 0.45 * RCG_RATE_HZ, fs=rate_hz, output="sos")
        ecg_mv = signal.sosfiltfilt(low_pass, ecg_mv)
    return np.asarray(interpolate.CubicSpline(t_s, ecg_mv)(times_s), np.float32)


def _stretches(recording: Recording) -> Iterator[Stretch]:
    if problem := first_problem(ReplaySource(recording)):
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
    """The stretch that these blocks are, if it is long enough."""
    last = np.cumsum([len(block.covered) for block in blocks]) - 1
    if not blocks or last[-1] + 1 < SHORTEST_S * RCG_RATE_HZ:
        return
    t_s = np.array([block.t_ns for block in blocks]) / 1e9 - delay_s(recording.chirp.frame_rate_hz)
    few = np.linspace(0, len(last) - 1, min(len(last), 500)).astype(int)
    line = stats.theilslopes(t_s[few] - last[few] / RCG_RATE_HZ, last[few])
    times = np.arange(last[-1] + 1) * (1 / RCG_RATE_HZ + line[0]) + line[1]
    if np.median(np.abs(times[last] - t_s)) > CLOCK_JUMP_S:
        raise TrialError(f"{recording.path}: the host's clock was set while it recorded; its times say nothing")
    rcg = np.concatenate([block.rcg_mm_s2.astype(np.float32) for block in blocks], axis=1)
    yield Stretch(times, rcg, np.concatenate([block.covered for block in blocks]), blocks[-1].points_m)


def _within(times_s: Float64, ecg_s: Float64) -> Bool:
    """Which times lie between two samples of the ECG that no gap parts."""
    after = np.searchsorted(ecg_s, times_s)
    inside = (after > 0) & (after < len(ecg_s))
    steps = np.diff(ecg_s)
    step = steps[np.clip(after - 1, 0, len(steps) - 1)]
    return np.asarray(inside & (step < ECG_GAP_STEPS * np.median(steps)))


def _runs(usable: Bool) -> Iterator[slice]:
    """Where it holds for SHORTEST_S without a break."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], usable, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start >= SHORTEST_S * RCG_RATE_HZ:
            yield slice(start, stop)
