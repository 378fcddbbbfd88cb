"""radarecg: the start of the command line. Everything else is imported where an interrupt is caught already."""

from __future__ import annotations

import os
import sys

from edge.core.interrupts import INTERRUPTED, end_quietly

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: on small products threads only wait for each other


def main(argv: list[str] | None = None) -> int:
    """Runs one command; the exit status is 0, 1 (it did not work), 2 (the input is at fault) or 130 (interrupted)."""
    try:
        if argv is None:  # a process of its own
            end_quietly("radarecg")
        from edge.cli.parser import run_command

        return run_command(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        print("radarecg: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
