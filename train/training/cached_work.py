"""Caches the results of long work as JSON files in a folder, so that finished parts are not repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge.core.errors import InputError
from edge.core.files import write_atomic


class OtherWorkError(InputError):
    """The folder holds results of other settings or data; the message names it."""


def check_settings(settings: Mapping[str, object], folder: Path) -> None:
    """Write the settings of the results to `folder`, or compare them with those written before.

    `settings` must be convertible to JSON. Raises OtherWorkError if the folder holds results of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, now = folder / "settings.json", json.dumps(settings, indent=1)
    if not path.exists():
        write_atomic(path, now.encode())
    if (before := path.read_text()) != now:
        old, new = json.loads(before), json.loads(now)
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        raise OtherWorkError(
            f"{folder} holds results with another {', '.join(changed)}; name another folder with --out"
        )


def cached_json(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the content of the JSON file; if it does not exist, call `make` and write its result atomically."""
    if not path.exists():
        write_atomic(path, json.dumps(make(), indent=1).encode())
    found: dict[str, Any] = json.loads(path.read_text())
    return found
