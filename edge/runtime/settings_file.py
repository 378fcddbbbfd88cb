"""Reads a settings file in TOML into structs; environment variables override it (`edge.runtime.environment`)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from edge.core.files import read_text_file
from edge.core.settings import ConfigError
from edge.core.toml import TomlError, parse_toml
from edge.runtime.environment import override

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


def load_settings(path: Path, kind: type[_Settings], environ: Mapping[str, str]) -> _Settings:
    """Read a settings file of this kind and apply overrides. Raises InputError, FileNotFoundError."""
    try:
        settings = parse_toml(read_text_file(path), dict)
        override(settings, kind, environ)
        return msgspec.convert(settings, kind)
    except (msgspec.DecodeError, TomlError) as error:
        raise ConfigError(f"{path}: {error}") from error


def settings_digest(settings: msgspec.Struct) -> str:
    """Return the SHA-256 of the settings in force, which shows in the audit trail that they have changed."""
    return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()
