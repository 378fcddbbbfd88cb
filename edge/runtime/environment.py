"""Settings from the environment: RADARECG_DEVICE, RADARECG_MQTT__HOST; two underscores lead into a table.

What a container or a service manager sets comes before the settings file. A variable that is no setting is an error,
like a misspelt key in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import msgspec

from edge.core.errors import InputError

PREFIX = "RADARECG_"
NOT_SETTINGS = {"RADARECG_REAL_DATA"}  # where the tests find recordings


class OverrideError(InputError):
    """A variable that is no setting, or whose value cannot be one; the message names it."""


def override(settings: dict[str, Any], kind: type[msgspec.Struct], environ: Mapping[str, str]) -> None:
    """Writes what `environ` says into the settings, which are to become a `kind`. Raises OverrideError."""
    for name in sorted(environ.keys() - NOT_SETTINGS):
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
        raise OverrideError(f"{name}: there is no such setting; there are {', '.join(types)}")
    return types[key]


def _struct(name: str, struct: type[msgspec.Struct], step: str) -> type[msgspec.Struct]:
    """The table's type, from `Table` or `Table | None`."""
    kind = _types(name, struct, step)
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    raise OverrideError(f"{name}: {step} is a setting, not a table of settings")


def _table(name: str, table: dict[str, Any], step: str) -> dict[str, Any]:
    inner = table.setdefault(step, {})
    if not isinstance(inner, dict):
        raise OverrideError(f"{name}: in the settings file {step} is no table")
    return inner


def _value(name: str, text: str, kind: Any) -> Any:
    try:
        return msgspec.to_builtins(msgspec.convert(text, kind, strict=False))
    except msgspec.ValidationError as error:
        raise OverrideError(f"{name}: {error}") from error
