"""`radarecg check-config`: prints what a chirp file configures, or what is wrong with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.radar.chirp_file.parser import explain, load_chirp


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the chirp file."""
    options.add_argument("cfg", type=Path, help="chirp file to check")


def run(args: argparse.Namespace) -> int:
    """Print one line per property of the chirp configuration."""
    for name, value in explain(load_chirp(args.cfg)).items():
        print(f"{name:>15}  {value}")
    return 0
