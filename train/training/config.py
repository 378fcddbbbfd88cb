"""Settings of a training: a small TOML file (`train/presets/`), validated on reading; unknown keys are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.core.errors import InputError
from edge.core.files import read_text_file
from edge.core.toml import TomlError, parse_toml

Positive = Annotated[int, msgspec.Meta(ge=1)]
Precision = Literal["fp32", "bf16"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class TrainConfigError(InputError):
    """The settings cannot be used; the message names file and key."""


class Simulated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of the simulation of a data set that does not exist yet (`train.simulate`)."""

    subjects: Positive
    seed: int
    trials_per_subject: Positive = 3
    seconds: Positive | None = None
    """Length of a trial; default: as long as MMECG's."""


class Motion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further set of real recordings without an ECG, whose beats are those of the motion (`clock_alignment`).

    `set`: its TOML file, relative to the settings file; `share`: its part of the training windows. They train anchors
    and cycles only, and its validation subjects too select the epoch.
    """

    set: str
    share: Share


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`set`: the data set's TOML file, relative to the settings file. `points`: random points used of each window."""

    set: str
    simulate: Simulated | None = None
    motion: Motion | None = None
    points: Positive = 16
    vary_points: bool = False
    """In training, another number of points in every batch, 1 to 64 (`batches.POINT_COUNTS`)."""
    fold: Annotated[int, msgspec.Meta(ge=0)] = 0
    augment: bool = True
    """Apply random noise, movements and another heart rate to every window, before the SST."""
    sst: Literal["cpu", "gpu"] = "cpu"
    """Where spectrograms are computed in training; `gpu` needs PyCUDA, and differs from `cpu` by roundings."""


class Strategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name`: row of train.strategies.STRATEGIES; `parameters`: its options; `alignment`: where gradients compare."""

    name: str = "ega"
    parameters: dict[str, int | float | str | list[float]] = {}
    alignment: Literal["shared", "representation"] = "shared"


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An epoch has `steps` batches; training stops after `patience` epochs without a better validation score."""

    epochs: Positive
    steps: Positive
    batch: Positive = 32
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 2e-3
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.01
    decay_all: bool = False
    """Apply the weight decay also to biases and normalisations, as torch's optimizers do."""
    clip_norm: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    """Scale all gradients down together if their norm is larger; 0: never. One norm of all parameters couples the
    tasks: a decoder with a large gradient shortens the steps of the others. AdamW is hardly affected, SGD is."""
    warm_up: Share = 0.05
    """Fraction of all steps in which the learning rate rises; then it falls to zero along a cosine."""
    patience: Positive = 1000
    precision: Precision = "fp32"
    """Type of the forward and backward pass; weights, losses and optimizer are always float32."""
    keep_statistics: bool = False
    """Keep the batch normalisation statistics fixed: for fine-tuning on little data."""


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`model` is a row of train.model.NETWORKS. All random numbers depend only on `seed`."""

    data: Data
    training: Training
    model: str = "compact"
    seed: int = 1
    strategy: Strategy = Strategy()


def load_train_config(path: Path) -> TrainConfig:
    """Read a settings file. Raises InputError, FileNotFoundError."""
    try:
        return parse_toml(read_text_file(path), TrainConfig)
    except TomlError as error:
        raise TrainConfigError(f"{path}: {error}") from error
