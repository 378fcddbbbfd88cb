"""A training's state in one file: enough to go on to the same result, and to know where a network came from."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

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


class CheckpointError(InputError):
    """A file that is no checkpoint, or one of another model or spec; the message names both."""


@dataclass(frozen=True)
class Checkpoint:
    """`state`: what the network, the optimizer and the strategy remember, and the history of epochs.

    `provenance`: versions, the data's name and who of them was learnt from; `before`, the same of the weights it began
    with.
    """

    config: TrainConfig
    state: dict[str, Any]
    provenance: dict[str, Any]

    def network(self) -> Network:
        """The network with its weights, ready to predict. Raises CheckpointError for weights of another network."""
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

    def learnt_from(self) -> dict[str, list[str]]:
        """By data set, the subjects that these weights were learnt from or chosen by, those they began with too.

        Raises CheckpointError where it is not said.
        """
        known = self.provenance
        try:
            before: dict[str, list[str]] = known.get("before", {})
            subjects = {*before.get(known["data"], ()), *known["train"], *known["validation"]}
        except KeyError as error:
            raise CheckpointError(f"the network does not say its {error.args[0]}: train it anew") from error
        return {**before, known["data"]: sorted(subjects)}


def save(path: Path, config: TrainConfig, state: dict[str, Any], provenance: Mapping[str, object]) -> None:
    """Writes a checkpoint whole or not at all. Raises OSError."""
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


def load(path: Path, model: str | None = None) -> Checkpoint:
    """Reads a checkpoint, of `model` if that is said. Raises CheckpointError, FileNotFoundError."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found, spec, settings = content["format"], content["spec"], content["config"]
    except Exception as error:  # torch raises whatever the damage leads to, and gives advice that is no good here
        raise CheckpointError(f"{path}: not a checkpoint that python -m train wrote, or a damaged one") from error
    if found != FORMAT:
        raise CheckpointError(f"{path}: format {found!r} is not {FORMAT}")
    if spec != fingerprint(SST_DEFAULT):
        raise CheckpointError(
            f"{path}: made for the spec {spec}, this is {fingerprint(SST_DEFAULT)}: its spectrograms or labels meant "
            "something else; train again, or use the version it was made with"
        )
    try:
        config = msgspec.convert(settings, TrainConfig)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{path}: settings of another version ({error}); use that, or train again") from error
    if config.model not in NETWORKS:
        raise CheckpointError(f"{path}: a network {config.model!r}; there are {', '.join(NETWORKS)}")
    if model is not None and config.model != model:
        raise CheckpointError(f"{path}: a network {config.model!r}, not {model!r}")
    return Checkpoint(config, content["state"], content["provenance"])
