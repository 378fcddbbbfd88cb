"""A study: one data set under one split, the settings of all trainings, and a folder with the finished work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from edge.core.errors import InputError
from train.data.dataset import DataSet, load_dataset, with_split, with_windows
from train.data.splits import Fold, KFold, PaperTrials
from train.data.workers import Workers
from train.model import POINTS
from train.training.cached_work import check_settings
from train.training.command_line import find_preset
from train.training.config import Strategy, TrainConfig, load_train_config
from train.training.jobs import Job, Result, run_jobs

SplitName = Literal["paper", "subject"]
MAX_FOLDS = 5
_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Study:
    """`data` has the folds of the split; `folder` has a JSON file per finished piece of work."""

    config: TrainConfig
    data: DataSet
    split: SplitName
    seeds: int
    folder: Path
    workers: Workers

    @property
    def networks(self) -> Path:
        """Absolute path of the trained networks."""
        return self.folder.resolve() / "networks"

    def run(self, jobs: Mapping[str, Job]) -> Iterator[dict[str, Result]]:
        """Run the named jobs that are not finished; yield all results so far, at first and after each."""
        for found in run_jobs({self.folder / f"{name}.json": job for name, job in jobs.items()}, self.workers):
            yield {path.stem: result for path, result in found.items()}

    def complete(self, jobs: Mapping[str, Job]) -> dict[str, Result]:
        """Run the named jobs that are not finished; return the results of all."""
        *_, found = self.run(jobs)
        return found

    def seeded(self, seed: int) -> TrainConfig:
        """Return the settings for the seed number `seed`, which counts from 0."""
        return msgspec.structs.replace(self.config, seed=self.config.seed + seed)

    def in_fold(self, fold: int) -> TrainConfig:
        """Return the settings for a fold."""
        return msgspec.structs.replace(self.config, data=msgspec.structs.replace(self.config.data, fold=fold))

    def heading(self, seeds: int = 1, all_folds: bool = False) -> str:
        """Describe the protocol: data, split, tested trials or subjects, network, steps, seeds."""
        training, folds, first = self.config.training, self.data.folds, self.config.seed
        points = self.config.data.points
        tested = folds[0].test
        names = ", ".join(tested[:_NAMES_SHOWN]) + (", ..." if len(tested) > _NAMES_SHOWN else "")
        by = "trial, as in the paper" if self.split == "paper" else "subject"
        which = f"all {len(folds)} folds" if all_folds else f"fold 1 of {len(folds)}, which tests {names}"
        return (
            f"{self.data.name}, {len(self.data.recordings)} trials, split by {by}; {which}. {self.config.model}, "
            f"{training.epochs * training.steps} steps of {training.batch} windows of {points} points; "
            f"{f'seeds {first} to {first + seeds - 1}' if seeds > 1 else f'seed {first}'}."
        )


def load_data(preset: str, path: Path, workers: Workers) -> tuple[TrainConfig, DataSet]:
    """Load the settings and the data set; missing spectrograms are computed. Raises InputError, FileNotFoundError."""
    settings = find_preset(preset)
    config = load_train_config(settings)
    about = msgspec.structs.replace(config.data, set=path.name, simulate=None, fold=0)
    config = msgspec.structs.replace(config, data=about, strategy=Strategy())
    data = load_dataset(path)
    if without := [recording.trial.name for recording in data.recordings if recording.trial.ecg is None]:
        raise InputError(f"{path}: trial {without[0]} has no ECG, only R peaks; the paper's tables need one")
    needed = POINTS.get(config.model)
    if needed and (few := [r.trial for r in data.recordings if len(r.trial.rcg) != needed]):
        raise InputError(
            f"{path}: trial {few[0].name} has {len(few[0].rcg)} points, the network {config.model} takes {needed}; "
            "choose a --preset whose network takes any number, as compact"
        )
    return config, data if config.data.augment else with_windows(data, path.with_suffix(".windows"), workers=workers)


def open_study(config: TrainConfig, data: DataSet, split: SplitName, seeds: int, out: Path, workers: Workers) -> Study:
    """Return the study of a split. Raises InputError, also if its folder has results of other settings."""
    if split == "paper":
        data = with_split(data, PaperTrials())
    elif not covers(data, data.folds):
        subjects = {recording.trial.subject for recording in data.recordings}
        data = with_split(data, KFold(folds=max(3, min(MAX_FOLDS, len(subjects)))))
    folds = [[fold.train, fold.validation, fold.test] for fold in data.folds]
    check_settings({"preset": msgspec.to_builtins(config), "data": data.name, "folds": folds}, out / split)
    return Study(config, data, split, seeds, out / split, workers)


def covers(data: DataSet, folds: tuple[Fold, ...]) -> bool:
    """Return whether every subject is in the test part of exactly one of the folds, which are by subject."""
    subjects = sorted({recording.trial.subject for recording in data.recordings})
    return all(f.by == "subject" for f in folds) and sorted(name for f in folds for name in f.test) == subjects
