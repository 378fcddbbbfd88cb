"""A study: one data set under one split, the settings of all trainings, and a folder with the finished work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge.core.errors import InputError
from train.data.dataset import DataSet, load_dataset, with_split, with_windows
from train.data.splits import Fold, KFold, PaperTrials
from train.model import POINTS
from train.training.cached_work import cached_json, check_settings
from train.training.config import Strategy, TrainConfig, load_train_config

SplitName = Literal["paper", "subject"]
PRESETS = Path(__file__).parents[1] / "presets"
MAX_FOLDS = 5
_NAMES_SHOWN = 12


@dataclass
class Progress:
    """Prints each piece of work and estimates the time that is left from those that are finished."""

    total: int = 0
    done: int = 0
    began: float = field(default_factory=time.monotonic)

    def start(self, name: str) -> None:
        """Print the name of the next piece of work."""
        self.done += 1
        mean_s = (time.monotonic() - self.began) / (self.done - 1) if self.done > 1 else 0.0
        left = f", about {mean_s * (self.total - self.done + 1) / 60:.0f} min left" if mean_s else ""
        print(f"{name}: {self.done} of {self.total}{left}", flush=True)


@dataclass(frozen=True)
class Study:
    """`data` has the folds of the split; `folder` has a JSON file per finished piece of work."""

    config: TrainConfig
    data: DataSet
    split: SplitName
    seeds: int
    folder: Path
    progress: Progress

    def job(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result `name`; if it is not finished, make and keep it."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            self.progress.start(f"{self.split}/{name}")
        return cached_json(path, make)

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


def load_data(preset: str, path: Path) -> tuple[TrainConfig, DataSet]:
    """Load the settings and the data set. Raises InputError, FileNotFoundError."""
    settings = Path(preset) if preset.endswith(".toml") else PRESETS / f"{preset}.toml"
    if not settings.exists():
        known = ", ".join(sorted(each.stem for each in PRESETS.glob("*.toml")))
        raise InputError(f"no preset {preset!r}; there are {known}, or name a settings file, x.toml")
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
    return config, data if config.data.augment else with_windows(data, path.with_suffix(".windows"))


def open_study(config: TrainConfig, data: DataSet, split: SplitName, seeds: int, out: Path) -> Study:
    """Return the study of a split. Raises InputError, also if its folder has results of other settings."""
    if split == "paper":
        data = with_split(data, PaperTrials())
    elif not covers(data, data.folds):
        subjects = {recording.trial.subject for recording in data.recordings}
        data = with_split(data, KFold(folds=max(3, min(MAX_FOLDS, len(subjects)))))
    folds = [[fold.train, fold.validation, fold.test] for fold in data.folds]
    check_settings({"preset": msgspec.to_builtins(config), "data": data.name, "folds": folds}, out / split)
    return Study(config, data, split, seeds, out / split, Progress())


def covers(data: DataSet, folds: tuple[Fold, ...]) -> bool:
    """Return whether every subject is in the test part of exactly one of the folds, which are by subject."""
    subjects = sorted({recording.trial.subject for recording in data.recordings})
    return all(f.by == "subject" for f in folds) and sorted(name for f in folds for name in f.test) == subjects
