"""MMECG's format (Chen et al., TMC 2022): a .mat file a trial, 200 Hz.

RCG [n, P] (50 points), ECG [n, 1] (mV), posXYZ [P, 3] (m), id, age, gender, physistatus (NB, IB, PE, SP), at top level
or in a struct `data`. MMECG itself needs a signed agreement and is not part of this project; other trials, simulated
ones too, can be written in its format, with three fields more that MMECG lacks: rpeaks [k, 1] (s), moving [n, 1],
rhythm. RCG, ECG and id must be there, or nothing can be learnt or split; what else is absent is unknown.
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
    """Every .mat file of the folder, in the order of their numbers. Raises TrialError."""
    for file in find_files(path, ".mat"):
        yield read_trial(file)


def read_trial(path: Path) -> Trial:
    """One file; the trial's name is the file's. Raises TrialError."""
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
    """Writes a trial as a v5 file that `read_trial` reads back the same, if `path` has its name.

    Raises TrialError for a trial without an ECG, for which the format has no place.
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
