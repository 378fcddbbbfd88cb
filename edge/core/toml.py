"""Parses TOML files, with limits: the memory of Python's parser grows with the square of the parts of a dotted key."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from edge.core.errors import InputError

MAX_CHARACTERS = 1 << 20
"""Settings have some hundred characters, descriptions of data sets some thousands."""
MAX_KEY_PARTS = 32
"""`mqtt.host` has two."""

_PART = r"""(?:[\w-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_DEEP_KEY = re.compile(rf"(?<![\w-])(?:{_PART}){{{MAX_KEY_PARTS}}}")

_Kind = TypeVar("_Kind")


class TomlError(InputError):
    """The text is not TOML, too large, or not of the wanted kind; the message does not name the file."""


def parse_toml(text: str, kind: type[_Kind]) -> _Kind:
    """Parse TOML into a `kind`: a struct, or `dict`. Raises TomlError."""
    if len(text) > MAX_CHARACTERS:
        raise TomlError(f"{len(text)} characters, at most {MAX_CHARACTERS} are allowed; is it the right file?")
    if found := _DEEP_KEY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise TomlError(f"line {line}: a key with more than {MAX_KEY_PARTS} parts; no setting has so many")
    try:
        return msgspec.toml.decode(text, type=kind)
    except RecursionError as error:
        raise TomlError("arrays or tables are nested too deeply; no setting needs that") from error
    except (msgspec.DecodeError, ValueError) as error:  # ValueError: Python refuses a number of some thousand digits
        raise TomlError(str(error)) from error
