"""`radarecg plot`: a picture of a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.cli.arguments import positive
from edge.core.errors import InputError, install_hint
from edge.radar.iq import IQ_ORDERS
from edge.sources.recording import open_recording


def add_options(options: argparse.ArgumentParser) -> None:
    """What is drawn, which part of it, and the picture's name."""
    options.add_argument(
        "file", type=Path, help="a recording's folder, a bare .bin file, or an .npz with displacement_mm"
    )
    options.add_argument("--cfg", type=Path, help="chirp file of a bare .bin file")
    options.add_argument("--iq-order", choices=IQ_ORDERS, help="default: the recording's or chirp file's own")
    options.add_argument("--start", type=positive, default=0.0, metavar="S", help="where the picture begins")
    options.add_argument("--seconds", type=positive, default=8.0, metavar="S", help="how much it shows")
    options.add_argument("--picture", type=Path, metavar="PNG", help="default: the file's name with .png, here")


def run(args: argparse.Namespace) -> int:
    """Writes the picture."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"pictures need matplotlib: {install_hint('plot')}") from error
    from edge.cli.plot import draw, motion_of_arrays, motion_of_recording

    picture = args.picture or Path(f"{args.file.stem or 'recording'}.png")
    if picture.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"{picture}: a picture's name ends with .png, .svg or .pdf")
    if args.file.suffix.lower() == ".npz":
        motion = motion_of_arrays(args.file)
    else:
        motion = motion_of_recording(args.file.name, open_recording(args.file, args.cfg, args.iq_order))
    draw(motion, args.start, args.seconds).savefig(picture, dpi=120)
    print(picture)
    return 0
