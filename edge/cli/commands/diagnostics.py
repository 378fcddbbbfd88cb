"""`radarecg diagnostics`: a zip for whoever is to help."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.runtime.diagnostics import diagnose


def add_options(options: argparse.ArgumentParser) -> None:
    """The settings, and the file to write."""
    options.add_argument("--config", type=Path, required=True, metavar="TOML")
    options.add_argument("--out", type=Path, required=True, metavar="ZIP", help="a new file")


def run(args: argparse.Namespace) -> int:
    """Writes the zip."""
    diagnose(args.config, args.out)
    print(args.out)
    return 0
