"""`radarecg demo`: runs the whole chain on this machine."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from edge.cli.arguments import positive
from edge.core.errors import InputError, install_hint
from edge.twin.scene import SCENES


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the scene, the duration and the picture to save."""
    options.add_argument(
        "--scene",
        choices=SCENES,
        default="tour",
        help="what the simulated person does; a tour sits still, moves at 32 s, leaves at 50 s and returns at 62 s "
        "(default: %(default)s)",
    )
    options.add_argument("--duration", type=positive, metavar="S", help="stop after this many seconds")
    options.add_argument("--picture", type=Path, metavar="SVG", help="save the final view as an image")


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 1 if the chain failed."""
    try:
        import_module("scipy")  # of the twin, which runs in a process of its own
        from edge.demo.run import demo
    except ModuleNotFoundError as error:
        raise InputError(f"the demo needs {error.name}: {install_hint('demo')}") from error
    return demo(args.scene, args.duration, args.picture)
