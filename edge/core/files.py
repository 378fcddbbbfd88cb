"""Atomic file writing, and reading of text files with the encodings that users' editors write."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import BinaryIO

from edge.core.errors import InputError

PRIVATE = 0o600
"""Mode of a file with data of a person."""

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text_file(path: Path, fallback: str | None = None) -> str:
    """Read a text file written by a user: UTF-8, or UTF-16 with a byte order mark.

    The mark is removed and all line ends become LF. `fallback` is the encoding to use when the file is not UTF-8, for
    example "latin-1", which accepts any byte. Raises InputError with file and line if the bytes are not text; OSError.
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
        raise InputError(f"{path}: not a text file; it contains zero bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_secret(path: Path) -> str:
    """Return the first line of a file with a password or token, which not every user may read.

    Raises InputError, OSError.
    """
    require_private(path)
    lines = read_text_file(path).splitlines()
    if not lines:
        raise InputError(f"{path}: empty; its first line must be the secret")
    return lines[0]


def require_private(path: Path) -> None:
    """Raise InputError if every user of this computer may read or change a file with a secret. Raises OSError."""
    if path.stat().st_mode & 0o007:
        raise InputError(f"{path}: every user of this computer can read or change it: chmod o= {path}")


def create_private(path: Path) -> BinaryIO:
    """Create a file that only its owner can read, for data of a person; writes are not buffered. Raises OSError."""
    return open(path, "wb", buffering=0, opener=lambda name, flags: os.open(name, flags, PRIVATE))


def write_atomic(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file atomically: after a full disk or a power failure the old content is intact.

    `mode`: permissions, less the umask. Raises OSError, which names the file.
    """
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        failure = OSError(f"{path}: cannot be written ({error.strerror}); the old content is unchanged")
        failure.errno = error.errno
        raise failure from error
    finally:
        part.unlink(missing_ok=True)
