"""Settings from the environment: RADARECG_DEVICE, RADARECG_MQTT__HOST; two underscores separate table and key.

Environment variables, as set by a container or a service manager, override the settings file. A variable that matches
no setting is an error, like an unknown key in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import msgspec

from edge.core.errors import InputError

PREFIX = "RADARECG_"


class OverrideError(InputError):
    """A variable that matches no setting, or has an invalid value; the message names it."""


def override(settings: dict[str, Any], kind: type[msgspec.Struct], environ: Mapping[str, str]) -> None:
    """Override `settings`, the data of a `kind`, with the variables of `environ`. Raises OverrideError."""
    for name in sorted(environ):
        if name.startswith(PREFIX):
            *tables, key = name.removeprefix(PREFIX).lower().split("__")
            table, struct = settings, kind
            for step in tables:
                struct = _struct(name, struct, step)
                table = _table(name, table, step)
            table[key] = _value(name, environ[name], _types(name, struct, key))


def _types(name: str, struct: type[msgspec.Struct], key: str) -> Any:
    types = get_type_hints(struct, include_extras=True)
    if key not in types:
        raise OverrideError(f"{name}: unknown setting; known settings are {', '.join(types)}")
    return types[key]


def _struct(name: str, struct: type[msgspec.Struct], step: str) -> type[msgspec.Struct]:
    """Return the table's type, from `Table` or `Table | None`."""
    kind = _types(name, struct, step)
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    raise OverrideError(f"{name}: {step} is a setting, not a table of settings")


def _table(name: str, table: dict[str, Any], step: str) -> dict[str, Any]:
    inner = table.setdefault(step, {})
    if not isinstance(inner, dict):
        raise OverrideError(f"{name}: {step} must be a table in the settings file")
    return inner


def _value(name: str, text: str, kind: Any) -> Any:
    try:
        return msgspec.to_builtins(msgspec.convert(text, kind, strict=False))
    except msgspec.ValidationError as error:
        raise OverrideError(f"{name}: {error}") from error
