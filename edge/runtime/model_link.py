"""The link to the bundle in use: `radarecg swap-model` tests another bundle and points the link to it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from edge.core.audit import audit
from edge.core.settings import ConfigError
from edge.inference.bundle import require_newer
from edge.inference.loader import load_on_backend
from edge.inference.settings import network_files
from edge.inference.trial import try_network
from edge.runtime.config import load_config


def switch_model(folder: Path, path: Path) -> str:
    """Switches the settings at `path`, and a runtime that uses them, to the bundle in `folder`.

    Loads and tests the bundle first; returns a description of the change. Raises InputError, OSError.
    """
    config = load_config(path)
    wanted = config.network
    if wanted.bundle is None or wanted.backend == "none":
        raise ConfigError(f'{path}: network.bundle must name a link, for example bundle = "models/current"')
    link = path.parent / wanted.bundle
    if link.exists() and not link.is_symlink():
        raise ConfigError(f"{link} is not a link; rename the folder, and set network.bundle to a link to it")
    engine = None
    if wanted.engine is not None:
        engine = path.parent / wanted.engine
        if not engine.is_relative_to(link):
            raise ConfigError(f"{path}: network.engine must be in {wanted.bundle}, so that both change together")
        engine = folder / engine.relative_to(link)
    files = network_files(wanted, path)
    bundle = replace(files, folder=folder).load_bundle()
    if files.public_key and link.is_symlink():
        require_newer(bundle, files.load_bundle())
    if wanted.backend == "onnxruntime":
        try_network(bundle, wanted.threads)
    network = load_on_backend(bundle, wanted.backend, engine, wanted.threads)
    before = link.resolve() if link.is_symlink() else None
    point_link(link, network.folder)
    audit("model switched", model=network.name, link=str(link), previous=str(before) if before else None)
    return f"{link} -> {network.folder}: {network.name}" + (f"; previously {before}" if before else "")


def point_link(link: Path, folder: Path) -> None:
    """Create or replace `link` atomically. Raises OSError."""
    link.parent.mkdir(parents=True, exist_ok=True)
    part = link.with_name(f"{link.name}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(os.path.relpath(folder, link.parent.resolve()))
    part.replace(link)
