"""The table [network] of the settings, and the network that is loaded from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.core.settings import File, resolve_file
from edge.ecg.stitcher import DELAY_S
from edge.inference.loader import Network, load_network


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the network that reconstructs the ECG: a bundle on a backend; with the backend "none", no ECG.

    `bundle` is a folder; without it, the bundle shipped with radarecg is used. `engine`, for the backend "tensorrt", is
    the engine that `export.build_engine` built from it. With `public_key` (ed25519, PEM) the bundle must be signed with
    that key. All three are relative to the settings file. `threads`: cores for the backend "onnxruntime".
    `decide_after_s`: delay in which further windows can confirm a beat before it is published.
    """

    bundle: File | None = None
    backend: Literal["onnxruntime", "tensorrt", "none"] = "onnxruntime"
    decide_after_s: Annotated[float, msgspec.Meta(ge=0.5, le=3)] = DELAY_S
    engine: File | None = None
    public_key: File | None = None
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1


def load_configured_network(config: NetworkConfig, path: Path) -> Network | None:
    """Load the network of the settings at `path`; None for the backend "none". Raises InputError, OSError."""
    if config.backend == "none":
        return None
    files = (config.bundle, config.engine, config.public_key)
    folder, engine, public_key = (resolve_file(path, name) for name in files)
    return load_network(folder, config.backend, engine, config.threads, public_key)
