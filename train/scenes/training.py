"""Settings, data and training of a network for scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

from edge.core.errors import InputError
from edge.core.files import read_text_file
from edge.core.toml import TomlError, parse_toml
from train.scenes.measures import Measures, scene_losses
from train.scenes.network import MULTIPLES, NETWORKS, DilatedResNet50
from train.scenes.nyuv2 import NyuV2
from train.scenes.rooms import Rooms
from train.scenes.scene import SceneBatch, SceneSet, augment, stack
from train.training.resumable import Settings
from train.training.task_loop import MultiTaskNetwork, TaskTrainer

PRESETS = Path(__file__).parent / "presets"
Positive = Annotated[int, msgspec.Meta(ge=1)]


class RoomCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Number of procedural rooms, and their seed."""

    train: Positive = 300
    validation: Positive = 60
    seed: int = 1


class SceneConfig(Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`nyuv2` is the set's folder, relative to the settings file; without it, procedural `rooms` are used.

    `imagenet`: torchvision's weights of a ResNet-50 to start from, likewise relative.
    """

    network: Literal["resnet50", "small"] = "small"
    nyuv2: str | None = None
    rooms: RoomCounts = RoomCounts()
    imagenet: str | None = None
    augment: bool = True


@dataclass(frozen=True)
class SceneData:
    """The two parts of a set, and its name."""

    name: str
    train: SceneSet
    validation: SceneSet


def load_scene_config(path: Path) -> SceneConfig:
    """Read a settings file. Raises InputError, FileNotFoundError."""
    try:
        config = parse_toml(read_text_file(path), SceneConfig)
    except TomlError as error:
        raise InputError(f"{path}: {error}") from error
    if config.imagenet and config.network != "resnet50":
        raise InputError(f"{path}: imagenet has weights of the network resnet50, not of {config.network}")
    return config


def prepare_scenes(config: SceneConfig, folder: Path) -> SceneData:
    """Open the set of the settings, or draw the rooms. `folder` is that of the settings file. Raises InputError."""
    if config.nyuv2 is None:
        rooms = config.rooms
        # Other seeds for the two parts: no room is in both.
        return SceneData(
            f"rooms-{rooms.train}-{rooms.validation}-seed{rooms.seed}",
            Rooms(rooms.train, 2 * rooms.seed),
            Rooms(rooms.validation, 2 * rooms.seed + 1),
        )
    train, validation = NyuV2(folder / config.nyuv2, "train"), NyuV2(folder / config.nyuv2, "val")
    step = MULTIPLES[config.network]
    if train.size != validation.size or any(side % step for side in train.size):
        raise InputError(
            f"{folder / config.nyuv2}: images of {train.size} to train on, {validation.size} to validate on; one size "
            f"is needed, with sides divisible by {step}"
        )
    return SceneData(f"nyuv2-{len(train)}-{len(validation)}", train, validation)


class SceneTrainer(TaskTrainer[SceneBatch]):
    """Trains a network on scenes. The last epoch counts, as in the paper: none is selected."""

    def __init__(self, config: SceneConfig, data: SceneData, out: Path, folder: Path) -> None:
        self.config, self.data = config, data
        network = _make_network(config, folder)
        super().__init__(config, out, network, {"data": data.name}, config.strategy.name)

    def draw(self, epoch: int) -> Iterator[SceneBatch]:
        """Yield batches of scenes in random order; every scene once before any is repeated."""
        training, count = self.config.training, len(self.data.train)
        rng = np.random.default_rng((self.config.seed, epoch))
        needed = training.steps * training.batch
        order = np.concatenate([rng.permutation(count) for _ in range(-(-needed // count))])[:needed]
        for chosen in order.reshape(training.steps, training.batch):
            batch = stack([self.data.train[int(number)] for number in chosen])
            yield (augment(batch, rng) if self.config.augment else batch).to(self.device)

    def losses(self, batch: SceneBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features and the three losses."""
        features = self.network.encoder(batch.image)
        outputs = {task: head(features).float() for task, head in self.network.decoders.items()}
        return features, scene_losses(outputs, batch)

    def validate(self) -> dict[str, float]:
        """Return the nine measures of the validation part, without a score."""
        measures, size = Measures(), self.config.training.batch
        for start in range(0, len(self.data.validation), size):
            numbers = range(start, min(start + size, len(self.data.validation)))
            batch = stack([self.data.validation[number] for number in numbers]).to(self.device)
            features = self.network.encoder(batch.image)
            measures.add({task: head(features) for task, head in self.network.decoders.items()}, batch)
        return measures.figures()


def _make_network(config: SceneConfig, folder: Path) -> MultiTaskNetwork:
    torch.manual_seed(config.seed)
    network = NETWORKS[config.network]()
    if config.imagenet and isinstance(network.encoder, DilatedResNet50):
        network.encoder.load_imagenet(folder / config.imagenet)
    return network
