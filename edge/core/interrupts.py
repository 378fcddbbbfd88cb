"""Handling of Ctrl-C and SIGTERM: end a command without a traceback at any time.

A command calls `end_quietly` before it imports anything else, and later `on_stop` or `raise_on_interrupt` if it must
clean up. This module imports at its top only modules that Python has already loaded at startup.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

INTERRUPTED = 130
"""Exit status of a program ended by Ctrl-C, as shells report it."""


def end_quietly(program: str) -> None:
    """Make Ctrl-C end this process immediately, with one line on stderr, status 130 and no traceback.

    The handler raises no KeyboardInterrupt, because some libraries catch it during their import and continue half
    loaded. A KeyboardInterrupt from elsewhere also ends the process if nothing catches it, or if Python would ignore it
    (in a destructor, or while joining threads at exit). A process that ignores SIGINT continues to ignore it.
    """

    def end(*_: object) -> None:
        try:
            os.write(2, f"{program}: interrupted\n".encode())
            sys.stdout.flush()
            if processes := sys.modules.get("multiprocessing"):  # otherwise workers wait for their parent forever
                for worker in processes.active_children():
                    worker.terminate()
        finally:
            os._exit(INTERRUPTED)

    show_error, show_ignored = sys.excepthook, sys.unraisablehook

    def on_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            end()
        show_error(kind, error, trace)

    def on_ignored(ignored: sys.UnraisableHookArgs) -> None:
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            end()
        show_ignored(ignored)

    sys.excepthook, sys.unraisablehook = on_error, on_ignored
    _on_interrupt(end)


def raise_on_interrupt() -> None:
    """Make Ctrl-C raise KeyboardInterrupt, which is Python's default."""
    import signal

    _on_interrupt(signal.default_int_handler)


def on_stop(stop: Callable[[], object]) -> None:
    """Call `stop` on SIGTERM and on the first Ctrl-C, so possibly twice. A second Ctrl-C raises KeyboardInterrupt."""
    import signal

    def on_interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    signal.signal(signal.SIGINT, on_interrupt)
    signal.signal(signal.SIGTERM, lambda *_: stop())


def _on_interrupt(handler: Callable[..., object]) -> None:
    import signal

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)
