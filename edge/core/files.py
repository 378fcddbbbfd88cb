"""Files that are there whole or not at all, and text files as users' editors write them."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from edge.core.errors import InputError

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text_file(path: Path, fallback: str | None = None) -> str:
    """Reads a text file of a user: UTF-8, or UTF-16 with a byte order mark. Lines end with LF, the mark is removed.

    `fallback` is the encoding of what is not UTF-8, such as "latin-1", which accepts any byte. Raises InputError, which
    names file and line, when the bytes are not text; OSError.
    """
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith(_UTF_16_MARKS) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if fallback is None:
            line = content[: error.start].count(b"\n") + 1
            raise InputError(f"{path}:{line}: not UTF-8 text; save the file with the encoding UTF-8") from error
        text = content.decode(fallback)
    if "\0" in text:
        raise InputError(f"{path}: not a text file; it holds bytes of zero")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_atomic(path: Path, content: bytes) -> None:
    """Writes a file; a full disk or a lost power leaves the one before as it was. Raises OSError, which names it."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror}); what was there is untouched") from error
    finally:
        part.unlink(missing_ok=True)
