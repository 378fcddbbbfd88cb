"""`radarecg doctor`: a check a line."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.runtime.doctor import examine, load_setup


def add_options(options: argparse.ArgumentParser) -> None:
    """The settings, if there are any yet."""
    options.add_argument(
        "--config", type=Path, metavar="TOML", help="the settings of run; default: the boards' defaults"
    )


def run(args: argparse.Namespace) -> int:
    """Returns 1 if any check failed."""
    return examine(load_setup(args.config))
