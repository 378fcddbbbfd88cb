"""`radarecg diagnostics`: collects a support archive without secrets."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.runtime.diagnostics import diagnose


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the settings file and the archive to write."""
    options.add_argument("--config", type=Path, required=True, metavar="TOML", help="settings file of radarecg run")
    options.add_argument("--out", type=Path, required=True, metavar="ZIP", help="archive to write; must not exist")


def run(args: argparse.Namespace) -> int:
    """Write the archive."""
    diagnose(args.config, args.out)
    print(args.out)
    return 0
