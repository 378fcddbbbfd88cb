"""Dead letters: messages that cannot be stored, one file each, to be examined and sent again by hand.

Either the payload is not one of this version's, or the FHIR server refused its Observation.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from edge.core.files import PRIVATE, write_atomic
from edge.mqtt.payloads import encode

MAX_FILES = 10_000
MAX_BYTES = 256 << 20


class DeadLetters:
    """A folder of at most MAX_FILES files and MAX_BYTES, created when needed; deletes the oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sizes = {path: path.stat().st_size for path in sorted(folder.glob("*.json"))}  # names begin with the time
        self._bytes = sum(self._sizes.values())

    def keep(self, number: int, letter: dict[str, Any]) -> None:
        """Write a message and the reason why it is not stored. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it contains health data
        path, content = self.folder / f"{time.time_ns()}-{number}.json", encode(letter)
        write_atomic(path, content, PRIVATE)
        self._sizes[path] = len(content)
        self._bytes += len(content)
        while len(self._sizes) > 1 and (len(self._sizes) > MAX_FILES or self._bytes > MAX_BYTES):
            oldest = next(iter(self._sizes))
            oldest.unlink(missing_ok=True)
            self._bytes -= self._sizes.pop(oldest)
