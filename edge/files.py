"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
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
