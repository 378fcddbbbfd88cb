"""What Ctrl-C and SIGTERM do: end a command quietly, whatever it is doing.

A command calls `end_quietly` before it imports anything else, then `on_stop` or `raise_on_interrupt` when it has
something to clean up. At the top is only what Python itself has imported already.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended, as shells report it."""


def end_quietly(program: str) -> None:
    """From now on Ctrl-C ends this process at once, with one line, status 130 and no traceback.

    It raises nothing: libraries that are being imported catch KeyboardInterrupt and go on with half of a module. Where
    one is raised nevertheless, and nothing catches it or Python would ignore it (in a destructor, or while it waits for
    threads at the end), it ends the process likewise. A process that ignores SIGINT goes on ignoring it.
    """

    def end(*_: object) -> None:
        try:
            os.write(2, f"{program}: interrupted\n".encode())
            sys.stdout.flush()
            if processes := sys.modules.get("multiprocessing"):  # workers would wait for their parent for ever
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
    """From now on Ctrl-C raises KeyboardInterrupt, as it does in Python by default."""
    import signal

    _on_interrupt(signal.default_int_handler)


def on_stop(stop: Callable[[], object]) -> None:
    """Has SIGTERM and the first Ctrl-C call `stop`, which may be called twice; a second Ctrl-C interrupts at once."""
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
