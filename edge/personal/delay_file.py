"""Reads, writes and deletes the file that holds one person's delay.

    delay_ms = 31.4
    network = "6f0c..."    # SHA-256 of the network whose beats are so much later than the R peaks

It has neither a name nor any other data of the person. Without the file, nothing is shifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from edge.core.files import read_text_file, write_atomic
from edge.core.toml import TomlError, parse_toml
from edge.personal.delay import MAX_DELAY_S, PersonalDelayError

_COMMENT = "# Written by radarecg personalise: one person's delay. radarecg personalise --delete deletes it.\n"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    delay_ms: Annotated[float, msgspec.Meta(ge=-1e3 * MAX_DELAY_S, le=1e3 * MAX_DELAY_S)]
    network: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class StoredDelay:
    """A person's delay in seconds, and the SHA-256 of the network that it was measured with."""

    delay_s: float
    network: str


def load_delay(path: Path | None) -> StoredDelay | None:
    """Read the file; None without one. Raises InputError."""
    if path is None or not path.exists():
        return None
    try:
        file = parse_toml(read_text_file(path), _File)
    except TomlError as error:
        raise PersonalDelayError(f"{path}: {error}; delete it and measure again with radarecg personalise") from error
    return StoredDelay(file.delay_ms / 1e3, file.network)


def save_delay(path: Path, stored: StoredDelay) -> None:
    """Write the file, in place of the earlier one. Raises OSError."""
    text = f'{_COMMENT}delay_ms = {1e3 * stored.delay_s:.1f}\nnetwork = "{stored.network}"\n'
    write_atomic(path, text.encode())


def delete_delay(path: Path) -> bool:
    """Delete the file and return whether there was one. Raises OSError."""
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed
