"""`radarecg check-config`: what a chirp file means, or what is wrong with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.radar.chirp_file.parser import explain, load_chirp


def add_options(options: argparse.ArgumentParser) -> None:
    """The file."""
    options.add_argument("cfg", type=Path)


def run(args: argparse.Namespace) -> int:
    """Prints what it means."""
    for name, value in explain(load_chirp(args.cfg)).items():
        print(f"{name:>15}  {value}")
    return 0
