"""`radarecg ward`: serves one page for all devices of a hub."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.core.interrupts import on_stop
from edge.runtime.ward_service import serve_ward


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the settings file."""
    options.add_argument(
        "--config",
        type=Path,
        required=True,
        metavar="TOML",
        help="settings file with [mqtt] as for radarecg run, and [ward]; the same file as for fhir-bridge",
    )


def run(args: argparse.Namespace) -> int:
    """Serve the page until stopped."""
    serve_ward(args.config, on_stop)
    return 0
