"""`radarecg run`: runs the device."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.core.interrupts import on_stop
from edge.runtime.service import serve

SWITCH_INTERVAL_S = 0.001
"""Python's threads wait at most this long for the chain (its default is 5 ms), as those that send its results do."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the settings file, which holds everything else."""
    options.add_argument("--config", type=Path, required=True, metavar="TOML", help="settings file")


def run(args: argparse.Namespace) -> int:
    """Run until stopped."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    serve(args.config, on_stop)
    return 0
