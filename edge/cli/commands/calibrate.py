"""`radarecg calibrate`: computes the board's phase calibration from a recording of a reflector."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.cli.arguments import positive
from edge.cli.calibrate import calibrate


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the recording, the reflector's distance and the file to write."""
    options.add_argument("recording", type=Path, help="folder of the recording")
    options.add_argument(
        "--range-m", type=positive, required=True, metavar="M", help="distance from antennas to reflector, in metres"
    )
    options.add_argument(
        "--out", type=Path, required=True, metavar="TOML", help="calibration file to write; must not exist"
    )


def run(args: argparse.Namespace) -> int:
    """Write the calibration."""
    calibrate(args.recording, args.range_m, args.out)
    return 0
