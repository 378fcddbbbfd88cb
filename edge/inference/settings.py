"""The table [network] of the settings, and the network that is loaded from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.core.settings import ConfigError, File, resolve_file
from edge.ecg.stitcher import DELAY_S
from edge.inference import device_key
from edge.inference.bundle import SHIPPED, Bundle, load_bundle
from edge.inference.loader import Network, load_on_backend

BackendName = Literal["onnxruntime", "tensorrt", "none"]


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the network that reconstructs the ECG: a bundle on a backend; with the backend "none", no ECG.

    `bundle` is a folder; without it, the bundle shipped with radarecg is used. `backend` is the first one to try: if it
    fails, `radarecg run` uses the next one of `edge.inference.ladder`. `engine`, for the backend "tensorrt", is the
    engine that `export.build_engine` built from the bundle. With `public_key` (ed25519, PEM; several keys while one
    replaces another) the bundle must be signed with that key and have at least `min_version`, and the engine must be
    built on this device. `personal_delay` is the file that `radarecg personalise` writes: while it exists, the ECG's
    times are shifted to one person. All four are relative to the settings file. `threads`: cores for ONNX Runtime.
    `decide_after_s`: delay in which further windows can confirm a beat before it is published.
    """

    bundle: File | None = None
    backend: BackendName = "onnxruntime"
    decide_after_s: Annotated[float, msgspec.Meta(ge=0.5, le=3)] = DELAY_S
    engine: File | None = None
    public_key: File | None = None
    min_version: Annotated[int, msgspec.Meta(ge=0)] = 0
    personal_delay: File | None = None
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1


@dataclass(frozen=True)
class NetworkFiles:
    """The table [network] with resolved paths."""

    folder: Path
    backend: BackendName
    engine: Path | None
    public_key: Path | None
    threads: int
    device_key: Path | None = None
    min_version: int = 0

    def load_bundle(self) -> Bundle:
        """Read and check the bundle. Raises BundleError, SignatureError, FileNotFoundError."""
        return load_bundle(self.folder.resolve(), self.public_key, self.device_key, self.min_version)


def network_files(config: NetworkConfig, path: Path) -> NetworkFiles:
    """Resolve the files of the settings at `path`. Raises ConfigError for the backend "tensorrt" without an engine."""
    if config.backend == "tensorrt" and config.engine is None:
        raise ConfigError(f"{path}: the backend tensorrt needs a file for its engine: set engine under [network]")
    engine, public_key = resolve_file(path, config.engine), resolve_file(path, config.public_key)
    folder = resolve_file(path, config.bundle) or SHIPPED
    key = path.parent / device_key.NAME if public_key else None
    return NetworkFiles(folder, config.backend, engine, public_key, config.threads, key, config.min_version)


def load_configured_network(config: NetworkConfig, path: Path) -> Network | None:
    """Load the network of the settings at `path`, on the configured backend only; None for the backend "none".

    Raises InputError, OSError.
    """
    files = network_files(config, path)
    if files.backend == "none":
        return None
    return load_on_backend(files.load_bundle(), files.backend, files.engine, files.threads)
