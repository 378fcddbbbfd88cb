"""Saves and loads checkpoints: the state needed to resume a training, and the provenance of its network."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch

from edge import __version__
from edge.core.errors import InputError
from edge.core.files import write_atomic
from edge.core.spec import SST_DEFAULT, fingerprint
from train.model import NETWORKS
from train.model.network import Network
from train.training.config import TrainConfig

FORMAT = "radarecg.checkpoint/1"
Config = TypeVar("Config", bound=msgspec.Struct)


class CheckpointError(InputError):
    """The file is not a checkpoint, or has another model or spec; the message names both."""


@dataclass(frozen=True)
class Checkpoint:
    """Holds the settings, state and provenance of a training.

    `state`: the states of network, optimizer and strategy, and the history of epochs. `provenance`: versions, the data
    set's name and its subjects per part; `before`, the subjects per data set of the weights that it started from.
    """

    config: TrainConfig
    state: dict[str, Any]
    provenance: dict[str, Any]

    def network(self) -> Network:
        """Return the network in evaluation mode. Raises CheckpointError for weights of another network."""
        network = NETWORKS[self.config.model]()
        try:
            network.load_state_dict(self.state["network"])
        except RuntimeError as error:
            raise CheckpointError(
                f"weights made by radarecg {self.provenance.get('radarecg')} do not fit this version's network "
                f"{self.config.model!r}; train again, or use that version"
            ) from error
        network.eval()
        return network

    def training_subjects(self) -> dict[str, list[str]]:
        """Return, by data set, all subjects used to train or select these weights and those they started from.

        Raises CheckpointError if the provenance is incomplete.
        """
        known = self.provenance
        try:
            before: dict[str, list[str]] = known.get("before", {})
            subjects = {*before.get(known["data"], ()), *known["train"], *known["validation"]}
        except KeyError as error:
            raise CheckpointError(f"the network's provenance has no {error.args[0]!r}: train it again") from error
        return {**before, known["data"]: sorted(subjects)}


def save(path: Path, config: msgspec.Struct, state: dict[str, Any], provenance: Mapping[str, object]) -> None:
    """Write a checkpoint atomically. Raises OSError."""
    content = {
        "format": FORMAT,
        "spec": fingerprint(SST_DEFAULT),
        "config": msgspec.to_builtins(config),
        "state": state,
        "provenance": {
            "radarecg": __version__,
            "torch": str(torch.__version__),
            "machine": platform.machine(),
            "command": shlex.join(["python", *sys.orig_argv[1:]]),
            **provenance,
        },
    }
    file = BytesIO()
    torch.save(content, file)
    write_atomic(path, file.getvalue())


def load_checkpoint(path: Path, model: str | None = None) -> Checkpoint:
    """Read a checkpoint; its network must be `model` if given. Raises CheckpointError, FileNotFoundError."""
    config, state, provenance = read_content(path, TrainConfig)
    if config.model not in NETWORKS:
        raise CheckpointError(f"{path}: a network {config.model!r}; there are {', '.join(NETWORKS)}")
    if model is not None and config.model != model:
        raise CheckpointError(f"{path}: a network {config.model!r}, not {model!r}")
    return Checkpoint(config, state, provenance)


def read_content(path: Path, kind: type[Config]) -> tuple[Config, dict[str, Any], dict[str, Any]]:
    """Return the settings, state and provenance of any checkpoint. Raises CheckpointError, FileNotFoundError."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found, spec, settings = content["format"], content["spec"], content["config"]
    except Exception as error:  # a damaged file can raise almost any exception, and torch's advice does not apply here
        raise CheckpointError(f"{path}: not a checkpoint that python -m train wrote, or a damaged one") from error
    if found != FORMAT:
        raise CheckpointError(f"{path}: format {found!r} is not {FORMAT}")
    if spec != fingerprint(SST_DEFAULT):
        raise CheckpointError(
            f"{path}: made for the spec {spec}, this is {fingerprint(SST_DEFAULT)}: its spectrograms or labels were "
            "defined differently; train again, or use the version it was made with"
        )
    try:
        config = msgspec.convert(settings, kind)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{path}: settings of another version ({error}); use that, or train again") from error
    return config, content["state"], content["provenance"]
