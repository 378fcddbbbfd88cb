"""Reads MSCardio: seismocardiograms of people who lie with a phone on the chest; there is no ECG.

NNNN.npz is a person; for each recording RRR it has t_RRR [n] in s, irregular at about 100 Hz, and acc_RRR [3, n] in
m/s^2. Axis 2 is normal to the chest: what a radar measures, except that a phone touches the chest and adds its mass.

The beats are found in the motion itself (`train.data.motion_beats`), so their delay after the R peaks is constant in a
recording but unknown: the trials have no ECG, and their R peaks are true only up to that delay. A trial is a clear
stretch of a recording.

Rahman and Taebi, MSCardio, doi 10.5281/zenodo.15657893, MIT licence: a network trained on it may be published with this
attribution. People with odd numbers are for testing and are never trained on: the reader `mscardio` yields the people
with even numbers, `mscardio_test` the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import interpolate

from edge.core.spec import RCG_RATE_HZ, WINDOW_S
from edge.core.types import Float64
from train.data.motion_beats import MotionBeats, find_motion_beats
from train.data.readers.files import find_files, list_arrays, load_array
from train.data.trial import Trial, TrialError

NORMAL_AXIS = 2
MM_PER_M = 1e3
MIN_RATE_HZ = 50.0  # on average: below it, the vibration of a beat is lost
MAX_GAP_S = 0.1  # between two samples; a longer one ends the recording there
MIN_STRETCH_S = 12.0


@dataclass(frozen=True)
class Seismocardiogram:
    """One recording: acceleration_mm_s2 [n] at RCG_RATE_HZ, without its mean; `person` is the file's number."""

    name: str
    person: int
    acceleration_mm_s2: Float64

    @property
    def is_test(self) -> bool:
        """Return whether the person is for testing only."""
        return self.person % 2 == 1


def read(path: Path) -> Iterator[Trial]:
    """Read the clear stretches of the people who may be trained on. Raises TrialError."""
    return (trial for recording in read_recordings(path) if not recording.is_test for trial in _trials(recording))


def read_test(path: Path) -> Iterator[Trial]:
    """Read the clear stretches of the people for testing. Raises TrialError."""
    return (trial for recording in read_recordings(path) if recording.is_test for trial in _trials(recording))


def read_recordings(path: Path) -> Iterator[Seismocardiogram]:
    """Read every recording of the folder whole. Raises TrialError."""
    for file in find_files(path, ".npz"):
        if not file.stem.isdecimal():
            raise TrialError(f"{file}: the file name must be the person's number")
        for number in sorted(name[2:] for name in list_arrays(file) if name.startswith("t_")):
            t_s = load_array(file, f"t_{number}").astype(np.float64)
            acceleration = load_array(file, f"acc_{number}")
            if acceleration.shape != (3, len(t_s)) or t_s.ndim != 1 or len(t_s) < 2:
                raise TrialError(f"{file}: acc_{number} is {acceleration.shape} beside times {t_s.shape}, not [3, n]")
            name = f"mscardio-{file.stem}-{number}"
            yield Seismocardiogram(name, int(file.stem), _regular(file, number, t_s, acceleration[NORMAL_AXIS]))


def _regular(file: Path, number: str, t_s: Float64, values: np.ndarray) -> Float64:
    """Return the acceleration in mm/s^2 at RCG_RATE_HZ, up to the first gap."""
    x = values.astype(np.float64) * MM_PER_M
    if not (np.isfinite(t_s).all() and np.isfinite(x).all() and (np.diff(t_s) > 0).all()):
        raise TrialError(f"{file}: t_{number} does not rise, or a value is not finite; cut it out or repair it")
    gaps = np.flatnonzero(np.diff(t_s) > MAX_GAP_S)
    end = int(gaps[0]) + 1 if len(gaps) else len(t_s)
    if end < 2 or (end - 1) / (t_s[end - 1] - t_s[0]) < MIN_RATE_HZ:
        raise TrialError(f"{file}: t_{number} has fewer than {MIN_RATE_HZ:g} samples a second")
    at_s = np.arange(t_s[0], t_s[end - 1], 1 / RCG_RATE_HZ)
    regular = interpolate.CubicSpline(t_s[:end], x[:end])(at_s)
    return np.asarray(regular - np.median(regular))


def _trials(recording: Seismocardiogram) -> Iterator[Trial]:
    beats = find_motion_beats(recording.acceleration_mm_s2)
    for index, (start_s, stop_s) in enumerate(clear_stretches(beats)):
        part = slice(round(start_s * RCG_RATE_HZ), round(stop_s * RCG_RATE_HZ))
        inside = (beats.times_s >= start_s) & (beats.times_s < stop_s)
        yield Trial(
            name=f"{recording.name}-{index}",
            subject=f"{recording.person:04d}",
            rcg=recording.acceleration_mm_s2[None, part].astype(np.float32),
            r_peaks_s=beats.times_s[inside] - start_s,
        )


def clear_stretches(beats: MotionBeats) -> list[tuple[float, float]]:
    """Return start and end, in s, of stretches of at least MIN_STRETCH_S that clear windows cover; no overlap."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], beats.clear, [False]])))
    found: list[tuple[float, float]] = []
    for begin, end in edges.reshape(-1, 2).tolist():
        start_s = max(0.0, begin + 1 - WINDOW_S, found[-1][1] if found else 0.0)
        if end - start_s >= MIN_STRETCH_S:
            found.append((start_s, float(end)))
    return found
