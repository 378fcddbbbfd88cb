"""`radarecg doctor`: runs the checks and prints one line for each."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.runtime.doctor import examine, load_setup


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the settings file, which is optional."""
    options.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="settings file of radarecg run; without it, the defaults of the boards are checked",
    )


def run(args: argparse.Namespace) -> int:
    """Run all checks; return 1 if any failed."""
    return examine(load_setup(args.config))
