"""Loads the data sets of training and evaluation: a small TOML file describes a set, `load` returns its recordings.

    name = "mmecg"
    reader = "mmecg"        # a row of train.data.readers.table
    path = "MMECG"          # relative to this file
    points = 50             # optional: only the first so many points
    [split]                 # optional: without it, the set is for testing only
    kind = "holdout"        # or "k-fold" (folds), "leave-subject-out"; "paper": by trial, for MMECG's 91
    seed = 1

An unknown key is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from rich.progress import track

from edge.core.errors import InputError
from edge.core.files import read_text_file
from edge.core.spec import SST_DEFAULT, SstSpec
from edge.core.toml import TomlError, parse_toml
from train.data.labels import Labels, label
from train.data.readers.table import READERS, TEST_ONLY
from train.data.spectrograms import count_windows, write_spectrograms
from train.data.splits import Fold, Split, make_folds
from train.data.trial import Trial
from train.data.workers import THIS_MACHINE, Workers

Text = Annotated[str, msgspec.Meta(min_length=1)]


class DataSetError(InputError):
    """The description of a data set is invalid, or its recordings cannot be used; the message names the problem."""


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of the TOML file."""

    name: Text
    reader: Text
    path: Text
    points: Annotated[int, msgspec.Meta(ge=1)] | None = None
    split: Split | None = None


@dataclass(frozen=True)
class Recording:
    """Trial with its labels; after `with_windows` also its windows [w, P, 71, 120], memory-mapped from a file.

    `labels.window` has the indices of the windows with labels.
    """

    trial: Trial
    labels: Labels
    windows: npt.NDArray[np.float16] | None = None


@dataclass(frozen=True)
class DataSet:
    """Recordings in the reader's order, and the folds of their subjects or trials; without a split no folds.

    `is_test_only`: no network may be trained on these people (`train.data.readers.table.TEST_ONLY`).
    """

    name: str
    recordings: tuple[Recording, ...]
    folds: tuple[Fold, ...]
    is_test_only: bool = False

    def of(self, subjects: Collection[str]) -> tuple[Recording, ...]:
        """Return the recordings of these subjects."""
        return tuple(recording for recording in self.recordings if recording.trial.subject in subjects)

    @property
    def excluded(self) -> dict[str, int]:
        """Number of windows without labels, by reason."""
        counts: dict[str, int] = {}
        for recording in self.recordings:
            for reason, count in recording.labels.excluded.items():
                counts[reason] = counts.get(reason, 0) + count
        return counts


def load_dataset(path: Path, spec: SstSpec = SST_DEFAULT) -> DataSet:
    """Load the data set of the TOML file into memory (40 kB per second of recording); displays its progress.

    Raises InputError, FileNotFoundError.
    """
    about = describe(path)
    trials = list(track(_trials(about, path.parent, spec), "reading"))
    if not trials:
        raise DataSetError(f"{path}: its recordings hold no window")
    folds = make_folds([(trial.name, trial.subject) for trial in trials], about.split) if about.split else []
    recordings = tuple(Recording(trial, label(trial, spec)) for trial in track(trials, "labels"))
    return DataSet(about.name, recordings, tuple(folds), about.reader in TEST_ONLY)


def with_split(data: DataSet, split: Split) -> DataSet:
    """Return the data set with another split. Raises SplitError."""
    trials = [(recording.trial.name, recording.trial.subject) for recording in data.recordings]
    return replace(data, folds=tuple(make_folds(trials, split)))


def with_windows(data: DataSet, cache: Path, spec: SstSpec = SST_DEFAULT, workers: Workers = THIS_MACHINE) -> DataSet:
    """Return the data set with the spectrograms of all windows, cached in `cache` (50 channels: 0.85 MB per second).

    Displays its progress. After an interrupt, finished files are not computed again. Call it under
    `if __name__ == "__main__"`, because the worker processes import the script.
    """
    files = write_spectrograms({r.trial.name: r.trial.rcg for r in data.recordings}, cache, spec, workers)
    mapped = {name: np.asanyarray(np.load(file, mmap_mode="r")) for name, file in files.items()}
    return replace(data, recordings=tuple(replace(r, windows=mapped[r.trial.name]) for r in data.recordings))


def part_of(data: DataSet, part: str, fold: int = 0) -> tuple[Recording, ...]:
    """Return the recordings of `train`, `validation` or `test` of a fold, or of `all` subjects.

    Raises InputError if the data set has no such fold.
    """
    if part == "all":
        return data.recordings
    if data.is_test_only and part != "test":
        raise InputError(f"{data.name}: these people are for testing only; train on others")
    if fold >= len(data.folds):
        raise InputError(
            f"{data.name} has {len(data.folds)} folds, no fold {fold}: give it a [split], or take --part all"
        )
    chosen = data.folds[fold]
    names = getattr(chosen, part)
    if chosen.by == "subject":
        return data.of(names)
    return tuple(recording for recording in data.recordings if recording.trial.name in names)


def describe(path: Path) -> Description:
    """Read the TOML file. Raises InputError, FileNotFoundError."""
    try:
        about = parse_toml(read_text_file(path), Description)
    except TomlError as error:
        raise DataSetError(f"{path}: {error}") from error
    if about.reader not in READERS:
        raise DataSetError(f"{path}: no reader {about.reader!r}; there are {', '.join(READERS)}")
    return about


def _trials(about: Description, folder: Path, spec: SstSpec) -> Iterator[Trial]:
    """Yield the trials with at most `about.points` points; log and skip those too short for a window."""
    names: set[str] = set()
    for trial in READERS[about.reader](folder / about.path):
        if trial.name in names:
            raise DataSetError(f"{folder / about.path}: two trials are called {trial.name}")
        names.add(trial.name)
        if count_windows(trial.rcg.shape[1], spec) < 1:
            logging.getLogger(__name__).warning("%s: left out, %.1f s hold no window", trial.name, trial.seconds)
            continue
        points_m = None if trial.points_m is None else trial.points_m[: about.points]
        yield replace(trial, rcg=trial.rcg[: about.points], points_m=points_m)
