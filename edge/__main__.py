"""Entry point of the `radarecg` command. Other modules are imported only once interrupts are handled."""

from __future__ import annotations

import sys

from edge.core.interrupts import INTERRUPTED, end_quietly


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 (it failed), 2 (invalid input) or 130 (interrupted)."""
    try:
        if argv is None:  # runs as its own process
            end_quietly("radarecg")
            from edge.core.audit import send_to_journal

            send_to_journal()
        from edge.cli.parser import run_command

        return run_command(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        print("radarecg: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
