"""Single keys of a terminal, without Enter, for commands that run until a key ends them."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable

_NAMES = {b" ": "space", b"\x1b[C": "right", b"\x1b[D": "left", b"\x1bOC": "right", b"\x1bOD": "left"}


class Keyboard:
    """Calls `on_key` in a thread of its own with each key: a character, or "space", "left" or "right".

    A context manager that restores the terminal. Without a terminal, or in the background, it does nothing: a process
    in the background that changes a terminal is stopped.
    """

    def __init__(self, on_key: Callable[[str], object], terminal: int | None = None) -> None:
        self._on_key = on_key
        self._terminal = _own_terminal() if terminal is None else terminal

    def __enter__(self) -> Keyboard:
        if self._terminal is not None:
            self._before = termios.tcgetattr(self._terminal)
            tty.setcbreak(self._terminal)
            self._end, self._ended = os.pipe()
            self._thread = threading.Thread(target=self._read, args=(self._terminal,), name="keyboard", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal is not None:
            os.close(self._ended)
            self._thread.join()
            os.close(self._end)
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    @property
    def is_active(self) -> bool:
        """Whether keys are read."""
        return self._terminal is not None

    def _read(self, terminal: int) -> None:
        while True:
            readable, _, _ = select.select([terminal, self._end], [], [])
            if self._end in readable:
                return
            if not (pressed := os.read(terminal, 64)):
                return
            if name := _NAMES.get(pressed) or pressed.decode(errors="replace")[0]:
                self._on_key(name)


def call_on_q(stop: Callable[[], object]) -> Callable[[str], None]:
    """Return a callback for keys that calls `stop` when q is pressed."""

    def on_key(key: str) -> None:
        if key == "q":
            stop()

    return on_key


def _own_terminal() -> int | None:
    if not sys.stdin or not sys.stdin.isatty():
        return None
    number = sys.stdin.fileno()
    return number if os.tcgetpgrp(number) == os.getpgrp() else None
