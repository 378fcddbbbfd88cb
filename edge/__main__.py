"""Entry point of the command `radarecg`. It imports everything else only after Ctrl-C is handled."""

from __future__ import annotations

import os
import sys

from edge.core.interrupts import INTERRUPTED, end_quietly

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # must be set before numpy is imported; on small matrix products, threads cost more than they save


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit status: 0 success, 1 failure, 2 invalid input, 130 interrupted."""
    try:
        if argv is None:  # started as a process, not called by a test
            end_quietly("radarecg")
        from edge.cli.parser import run_command

        return run_command(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        print("radarecg: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
