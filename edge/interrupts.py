"""What Ctrl-C and SIGTERM do: end a command quietly, whatever it is doing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import TracebackType

INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended, as shells report it."""


def end_quietly(program: str) -> None:
    """From now on an interrupt that nothing catches ends this process with one line, status 130 and no traceback.

    That holds while modules are imported, also where Python would print the interrupt and go on (in a destructor, or
    while it waits for threads at the end).
    """
    show_error, show_ignored = sys.excepthook, sys.unraisablehook

    def end_if_interrupted(kind: type[BaseException]) -> None:
        if issubclass(kind, KeyboardInterrupt):
            try:
                sys.stdout.flush()
                os.write(2, f"{program}: interrupted\n".encode())
            finally:
                os._exit(INTERRUPTED)

    def on_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        end_if_interrupted(kind)
        show_error(kind, error, trace)

    def on_ignored(ignored: sys.UnraisableHookArgs) -> None:
        end_if_interrupted(ignored.exc_type)
        show_ignored(ignored)

    sys.excepthook, sys.unraisablehook = on_error, on_ignored


def on_stop(stop: Callable[[], object]) -> None:
    """Has SIGTERM and the first Ctrl-C call `stop`, which may be called twice; a second Ctrl-C interrupts at once."""

    def on_interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    signal.signal(signal.SIGINT, on_interrupt)
    signal.signal(signal.SIGTERM, lambda *_: stop())
