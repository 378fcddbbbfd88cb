"""A training run's settings: one small TOML file (`train/presets/`), checked on reading; an unknown key is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.core.errors import InputError
from edge.core.files import read_text_file

Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class TrainConfigError(InputError):
    """The settings cannot be used; the message names file and key."""


class Simulated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `train.simulate` is to make where the data set is not there yet."""

    subjects: Positive
    seed: int
    trials_per_subject: Positive = 3
    seconds: Positive | None = None
    """Of a trial; without it, as long as MMECG's."""


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`set` is a data set's TOML, relative to the settings file. `points` of each window are drawn at random."""

    set: str
    simulate: Simulated | None = None
    points: Positive = 16
    fold: Annotated[int, msgspec.Meta(ge=0)] = 0
    augment: bool = True
    """Noise, movements and another pace are put on every window, before the SST, as they come in reality."""


class Strategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of train.strategies.STRATEGIES and its numbers; where EGA and its like compare gradients."""

    name: str = "ega"
    parameters: dict[str, int | float | str | list[float]] = {}
    alignment: Literal["shared", "representation"] = "shared"


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An epoch is `steps` batches; after `patience` epochs without a better validation figure it is over."""

    epochs: Positive
    steps: Positive
    batch: Positive = 32
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 2e-3
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.01
    warm_up: Share = 0.05
    """The share of all steps in which the learning rate rises; then it falls as a cosine to zero."""
    patience: Positive = 1000
    keep_statistics: bool = False
    """Batch normalisations go by the statistics they have: for a trained network on little data."""


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`model` is a row of train.model.NETWORKS. Every random number of the run follows from `seed`."""

    data: Data
    training: Training
    model: str = "compact"
    seed: int = 1
    strategy: Strategy = Strategy()


def load_train_config(path: Path) -> TrainConfig:
    """Reads a settings file. Raises InputError, FileNotFoundError."""
    try:
        return msgspec.toml.decode(read_text_file(path), type=TrainConfig)
    except msgspec.DecodeError as error:
        raise TrainConfigError(f"{path}: {error}") from error
