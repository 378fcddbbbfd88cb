"""Other processes of a test: killed at its end, also when an assertion fails while they run."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def child(command: list[Any], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a process with `options` of Popen; kill it at the end, where Popen itself would wait for it."""
    with subprocess.Popen([str(word) for word in command], **options) as process:
        try:
            yield process
        finally:
            process.kill()
