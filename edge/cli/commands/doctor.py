"""`radarecg doctor`: runs the checks and prints one line for each, or shows how the radar is aimed."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.core.interrupts import on_stop
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
    which = options.add_mutually_exclusive_group()
    which.add_argument(
        "--live",
        action="store_true",
        help="show how the radar is aimed, every second: distance and contrast of the chest, breathing, advice",
    )
    which.add_argument(
        "--gpu", action="store_true", help="check the GPU instead, and the engine of the settings; no boards are needed"
    )


def run(args: argparse.Namespace) -> int:
    """Run all checks; return 1 if any failed."""
    if args.live:
        from edge.runtime.doctor_live import show_on_terminal, watch_placement  # needs a page's messages

        watch_placement(load_setup(args.config), on_stop, show_on_terminal)
        print()  # ends the view's last line
        return 0
    return (examine_gpu if args.gpu else examine)(load_setup(args.config))
