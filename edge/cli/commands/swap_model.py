"""`radarecg swap-model`: replaces the network, also while radarecg runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.runtime.model_link import switch_model


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the bundle, and the settings file whose network is replaced."""
    options.add_argument("folder", type=Path, help="folder of the new bundle")
    options.add_argument("--config", type=Path, required=True, metavar="TOML", help="settings file of radarecg run")


def run(args: argparse.Namespace) -> int:
    """Switches to the bundle and prints the change."""
    print(switch_model(args.folder, args.config))
    return 0
