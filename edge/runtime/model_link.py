"""The link to the bundle in use: `radarecg swap-model` tests another bundle and points the link to it."""

from __future__ import annotations

import os
from pathlib import Path

from edge.core.audit import audit
from edge.core.settings import ConfigError, resolve_file
from edge.inference.loader import load_network
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
    network = load_network(folder, wanted.backend, engine, wanted.threads, resolve_file(path, wanted.public_key))
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
