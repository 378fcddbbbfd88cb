"""`radarecg swap-model`: another network in the place of the one that runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.runtime.model_swap import switch_model


def add_options(options: argparse.ArgumentParser) -> None:
    """The bundle, and the settings that name its place."""
    options.add_argument("folder", type=Path, help="the bundle")
    options.add_argument("--config", type=Path, required=True, metavar="TOML", help="the settings of run")


def run(args: argparse.Namespace) -> int:
    """Prints what was done."""
    print(switch_model(args.folder, args.config))
    return 0
