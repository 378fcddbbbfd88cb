"""Reads and writes MMECG's format (Chen et al., TMC 2022): one .mat file per trial, 200 Hz.

RCG [n, P] (50 points), ECG [n, 1] (mV), posXYZ [P, 3] (m), id, age, gender, physistatus (NB, IB, PE, SP), at top level
or in a struct `data`. MMECG itself requires a signed agreement and is not part of this project. Other trials, also
simulated ones, can be written in its format, with three additional fields: rpeaks [k, 1] (s), moving [n, 1], rhythm.
RCG, ECG and id are required; other fields are optional.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

import numpy as np
from scipy import io

from train.data.readers.files import Array, find_files, numbers, read_mat
from train.data.trial import Rhythm, Status, Trial, TrialError


def read(path: Path) -> Iterator[Trial]:
    """Read every .mat file of the folder, in numerical order. Raises TrialError."""
    for file in find_files(path, ".mat"):
        yield read_trial(file)


def read_trial(path: Path) -> Trial:
    """Read one file; the trial has the file's name. Raises TrialError."""
    fields = read_mat(path)
    rcg = numbers(path, fields, "RCG", (None, None))
    ecg = numbers(path, fields, "ECG", (len(rcg), 1))
    return Trial(
        name=path.stem,
        subject=_subject(path, fields),
        rcg=np.ascontiguousarray(rcg.T, np.float32),
        ecg=ecg[:, 0].astype(np.float32),
        r_peaks_s=numbers(path, fields, "rpeaks", (None, 1))[:, 0] if "rpeaks" in fields else None,
        points_m=numbers(path, fields, "posXYZ", (rcg.shape[1], 3)) if "posXYZ" in fields else None,
        moving=numbers(path, fields, "moving", (len(rcg), 1))[:, 0] > 0 if "moving" in fields else None,
        status=cast("Status | None", _one_of(path, fields, "physistatus", get_args(Status))),
        rhythm=cast("Rhythm | None", _one_of(path, fields, "rhythm", get_args(Rhythm))),
    )


def write(trial: Trial, path: Path) -> None:
    """Write a trial as a v5 file; `read_trial` returns an equal trial if the file has the trial's name.

    Raises TrialError for a trial without an ECG, which the format requires.
    """
    if trial.ecg is None:
        raise TrialError(f"{trial.name}: has no ECG, which MMECG's format needs")
    fields: dict[str, object] = {"RCG": trial.rcg.T, "ECG": trial.ecg[:, None], "id": trial.subject}
    known = {
        "posXYZ": trial.points_m,
        "physistatus": trial.status,
        "rpeaks": None if trial.r_peaks_s is None else trial.r_peaks_s[:, None],
        "moving": None if trial.moving is None else trial.moving[:, None].astype(np.uint8),
        "rhythm": trial.rhythm,
    }
    io.savemat(path, fields | {name: value for name, value in known.items() if value is not None})


def _subject(path: Path, fields: dict[str, Array]) -> str:
    value = fields.get("id")
    if value is not None and value.size == 1:
        if value.dtype.kind == "U":
            return str(value.item())
        if value.dtype.kind in "fiu" and float(value.item()).is_integer():
            return str(int(value.item()))
    raise TrialError(f"{path}: id, which says whose trial it is, is {'missing' if value is None else value}")


def _one_of(path: Path, fields: dict[str, Array], name: str, known: tuple[str, ...]) -> str | None:
    if name not in fields:
        return None
    value = fields[name]
    text = str(value.item()).strip() if value.size == 1 else str(value)
    if text not in known:
        raise TrialError(f"{path}: {name} is {text!r}; known are {', '.join(known)}")
    return text
