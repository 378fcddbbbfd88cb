"""radarecg as a user types it, in this process: starting another costs two seconds of imports each time."""

import io
import logging
import signal
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import NamedTuple

from edge.__main__ import main


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def radarecg(*args: object) -> Done:
    """What a command printed and logged, and its exit status. Signals do afterwards what they did before."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), handlers_restored(), _logging_to(err):
        try:
            status = main([str(arg) for arg in args])
        except SystemExit as end:  # of argparse
            status = end.code
    return Done(status, out.getvalue(), err.getvalue())


def assert_one_clear_line(done: Done, *words: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("radarecg: error: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


@contextmanager
def handlers_restored():
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.getsignal(number))
        yield


@contextmanager
def _logging_to(stream):
    """The log as a process of its own would write it: pytest has a root handler, so `basicConfig` does nothing."""
    root, handler = logging.getLogger(), logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
