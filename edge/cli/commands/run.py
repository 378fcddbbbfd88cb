"""`radarecg run`: the runtime."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.core.interrupts import on_stop
from edge.runtime.service import serve


def add_options(options: argparse.ArgumentParser) -> None:
    """Everything else is in the settings."""
    options.add_argument("--config", type=Path, required=True, metavar="TOML")


def run(args: argparse.Namespace) -> int:
    """Runs until stopped."""
    serve(args.config, on_stop)
    return 0
