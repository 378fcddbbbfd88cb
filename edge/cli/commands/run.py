"""`radarecg run`: runs the device."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.core.interrupts import on_stop
from edge.runtime.service import serve


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the settings file, which holds everything else."""
    options.add_argument("--config", type=Path, required=True, metavar="TOML", help="settings file")


def run(args: argparse.Namespace) -> int:
    """Run until stopped."""
    serve(args.config, on_stop)
    return 0
