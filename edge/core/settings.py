"""Types, errors and paths that all tables of a settings file share."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from edge.core.errors import InputError

END_OF_STRING = r"(?!\n)"
"""Follows the $ of a pattern: in Python, unlike other languages, $ also matches before a final newline."""
_LABEL = r"[^\s\0.]{1,63}"  # of a host name; Python rejects empty or longer labels only when it resolves the name
Host = Annotated[str, Meta(pattern=rf"^{_LABEL}(\.{_LABEL})*\.?$" + END_OF_STRING)]
Port = Annotated[int, Meta(ge=1, le=65535)]
File = Annotated[str, Meta(pattern=r"^[^\0]+$")]


class ConfigError(InputError):
    """The settings file is invalid; the message names the file and the key."""


def is_loopback(host: str) -> bool:
    """Whether only programs on this computer can be reached at this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolve_file(path: Path, name: str | None) -> Path | None:
    """Return the path of a file that the settings at `path` name, relative to them; None if they name none."""
    return path.parent / name if name is not None else None
