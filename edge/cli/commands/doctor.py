"""`radarecg doctor`: runs the checks and prints one line for each."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.runtime.doctor import examine, load_setup
from edge.runtime.doctor_gpu import examine_gpu


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the settings file, which is optional, and the choice of checks."""
    options.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="settings file of radarecg run; without it, the defaults of the boards are checked",
    )
    options.add_argument(
        "--gpu", action="store_true", help="check the GPU instead, and the engine of the settings; no boards are needed"
    )


def run(args: argparse.Namespace) -> int:
    """Run all checks; return 1 if any failed."""
    return (examine_gpu if args.gpu else examine)(load_setup(args.config))
