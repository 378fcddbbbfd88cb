"""`radarecg calibrate`: the board's phase calibration, from a recording of a reflector."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.cli.arguments import positive
from edge.cli.calibrate import calibrate


def add_options(options: argparse.ArgumentParser) -> None:
    """The recording, where the reflector stood, and the file to write."""
    options.add_argument("recording", type=Path, help="a recording's folder")
    options.add_argument(
        "--range-m", type=positive, required=True, metavar="M", help="from the antennas to the reflector"
    )
    options.add_argument("--out", type=Path, required=True, metavar="TOML", help="a new file")


def run(args: argparse.Namespace) -> int:
    """Writes the calibration."""
    calibrate(args.recording, args.range_m, args.out)
    return 0
