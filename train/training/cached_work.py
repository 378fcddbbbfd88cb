"""Long work in pieces: what is finished lies in a folder as JSON, and is not done again."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.core.errors import InputError
from edge.core.files import write_atomic


class OtherWorkError(InputError):
    """The folder holds results of other settings or other data; the message names it."""


def keep_to(settings: Mapping[str, object], folder: Path) -> None:
    """Notes in `folder` what its results are made with. Raises OtherWorkError when they were made with something else.

    `settings` is what JSON can hold.
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
    """What the JSON file holds; made and written, whole or not at all, where it is not there yet."""
    if not path.exists():
        write_atomic(path, json.dumps(make(), indent=1).encode())
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@contextmanager
def file_lock(path: Path) -> Iterator[bool]:
    """Whether no other process is making the JSON file now. A claim ends with its process, however that ends."""
    claim = path.with_suffix(".claim")
    with claim.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        claim.unlink(missing_ok=True)
