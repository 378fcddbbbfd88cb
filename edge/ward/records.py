"""What a ward keeps in its file over a restart: names and hidden tiles of devices, and open notices."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.core.errors import InputError
from edge.core.files import PRIVATE, read_text_file, write_atomic
from edge.core.settings import END_OF_STRING
from edge.ward.notices import Notice

MAX_LABEL_CHARS = 40

Label = Annotated[
    str, Meta(max_length=MAX_LABEL_CHARS, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$" + END_OF_STRING)
]
"""A place, such as "Bed 12"; shown on the page, and neither logged nor sent."""

log = logging.getLogger(__name__)


class Records(msgspec.Struct):
    """The content of the file. `labels` by device; `notices`: the open ones."""

    labels: dict[str, Label] = {}
    hidden: set[str] = set()
    notices: list[Notice] = []


class RecordsFile:
    """Reads the records when it is opened, and writes them when they change. Raises InputError if it cannot read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_failing = False
        try:
            self.content = msgspec.json.decode(read_text_file(path), type=Records)
        except FileNotFoundError:
            self.content = Records()
        except (msgspec.DecodeError, OSError) as error:
            raise InputError(f"{path}: cannot read the ward's records ({error}); move the file away") from error

    def save(self) -> None:
        """Write the records. A failure is logged once: the page continues with what it has in memory."""
        try:
            write_atomic(self._path, msgspec.json.encode(self.content), PRIVATE)
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                log.error("%s: after a restart, names and open notices are those of before", error)
            self._is_failing = True
