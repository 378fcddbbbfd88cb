"""`radarecg plot`: plots a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.cli.arguments import positive
from edge.core.errors import InputError, install_hint
from edge.radar.iq import IQ_ORDERS
from edge.sources.recording import open_recording


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the recording, the period to plot and the image file."""
    options.add_argument(
        "file", type=Path, help="folder of a recording, a single .bin file, or an .npz file with displacement_mm"
    )
    options.add_argument("--cfg", type=Path, help="chirp file, for a single .bin file")
    options.add_argument(
        "--iq-order", choices=IQ_ORDERS, help="order of I and Q; without it, as the recording or chirp file states"
    )
    options.add_argument(
        "--start", type=positive, default=0.0, metavar="S", help="start time in seconds (default: %(default)g)"
    )
    options.add_argument(
        "--seconds", type=positive, default=8.0, metavar="S", help="duration in seconds (default: %(default)g)"
    )
    options.add_argument(
        "--picture",
        type=Path,
        metavar="PNG",
        help="image to write; without it, the recording's name with .png, in the current folder",
    )


def run(args: argparse.Namespace) -> int:
    """Write the image."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"plots need matplotlib: {install_hint('plot')}") from error
    from edge.cli.plot import draw, motion_of_arrays, motion_of_recording

    picture = args.picture or Path(f"{args.file.stem or 'recording'}.png")
    if picture.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"{picture}: the name of the image must end with .png, .svg or .pdf")
    if args.file.suffix.lower() == ".npz":
        motion = motion_of_arrays(args.file)
    else:
        motion = motion_of_recording(args.file.name, open_recording(args.file, args.cfg, args.iq_order))
    draw(motion, args.start, args.seconds).savefig(picture, dpi=120)
    print(picture)
    return 0
