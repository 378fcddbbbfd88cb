"""Compiled CUDA sources ("cubins"), kept in a folder: a second start of the program needs no compiler run.

A file's name contains a digest of all that it depends on, and the file starts with a digest of the rest. A damaged file
is therefore found and replaced, and a file of another version is never used.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from edge.core.files import write_atomic
from edge.gpu.nvrtc import Nvrtc

log = logging.getLogger(__name__)


def load_cubin(nvrtc: Nvrtc, source: Path, architecture: str, options: Sequence[str], folder: Path | None) -> bytes:
    """Return the cubin of `source` with the headers beside it (*.cuh), from `folder` or by compiling it.

    A new cubin is stored in `folder`; if that is impossible, the next start compiles again. Raises NvrtcError, OSError.
    """
    content = source.read_bytes()
    headers = {path.name: path.read_bytes() for path in sorted(source.parent.glob("*.cuh"))}
    settings = repr((architecture, nvrtc.version, list(options), headers)).encode()
    key = hashlib.sha256(settings + b"\0" + content).hexdigest()
    path = folder / f"{source.stem}-{architecture}-{key[:16]}.cubin" if folder else None
    if path and (stored := _read(path)):
        return stored
    cubin, _ = nvrtc.compile(content, headers, architecture, options)
    if path:
        try:
            write_atomic(path, hashlib.sha256(cubin).digest() + cubin)
        except OSError as error:
            log.info("the next start compiles the GPU's program again: %s", error)
    return cubin


def _read(path: Path) -> bytes | None:
    """Return the cubin in the file, or None if the file is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest_bytes = hashlib.sha256().digest_size
    cubin = content[digest_bytes:]
    return cubin if hashlib.sha256(cubin).digest() == content[:digest_bytes] else None
