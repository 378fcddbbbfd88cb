"""Dead letters: Observations that a FHIR server refused, one file each, to be examined and sent again by hand."""

from __future__ import annotations

import time
from pathlib import Path

from edge.core.files import write_atomic
from edge.fhir.observation import Resource
from edge.fhir.server import RefusedError
from edge.mqtt.payloads import encode

MAX_FILES = 10_000


class DeadLetters:
    """A folder of at most MAX_FILES files, created when needed; deletes the oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = sorted(folder.glob("*.json"))  # sorted by time: names begin with it

    def keep(self, number: int, resource: Resource, error: RefusedError) -> None:
        """Write the resource and the reason for the refusal. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it contains health data
        path = self.folder / f"{time.time_ns()}-{number}.json"
        write_atomic(path, encode({"status": error.status, "answer": error.answer, "resource": resource}))
        self._files.append(path)
        if len(self._files) > MAX_FILES:
            self._files.pop(0).unlink(missing_ok=True)
