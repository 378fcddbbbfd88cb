"""`radarecg record`: records frames from the capture card into a folder."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

from edge.cli.arguments import port, positive
from edge.core.audit import audit
from edge.core.interrupts import on_stop
from edge.dsp.frontend.rcg import RcgExtractor
from edge.radar.awr1843.serial_port import AUTO
from edge.radar.boards import open_boards
from edge.radar.calibration_file import load_calibration
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.control import data_senders, load_card, require_rate
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.radar.iq import IQ_ORDERS
from edge.sources.capture import RecordingRequest, data_port, record_frames
from edge.sources.metadata import check_new

DEVICE = "RADARECG_DEVICE"  # the `device` setting of `run`; `record` has no settings file, so only the environment


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the folder, the chirp file and the description of the boards."""
    options.add_argument("folder", type=Path, help="folder to create for the recording")
    options.add_argument(
        "--cfg", type=Path, required=True, help="chirp file to send to the radar, or the one it already runs"
    )
    options.add_argument("--seconds", type=positive, help="stop after this many seconds; without it, when interrupted")
    options.add_argument(
        "--serial",
        metavar="PORT",
        help=f"the radar's command port, or {AUTO}; without it, radarecg does not start the boards",
    )
    options.add_argument(
        "--card", type=Path, metavar="TOML", help="settings of the capture card; without it, its defaults"
    )
    options.add_argument(
        "--host", default="0.0.0.0", help="this machine's address on the card's network (default: %(default)s)"
    )
    options.add_argument(
        "--port", type=port, default=DEFAULT_DATA_PORT, help="UDP port for the card's data (default: %(default)s)"
    )
    options.add_argument("--iq-order", choices=IQ_ORDERS, help="order of I and Q; without it, as the chirp file states")
    options.add_argument(
        "--calibration", type=Path, metavar="TOML", help="the board's calibration, stored with the recording"
    )
    options.add_argument(
        "--points",
        action="store_true",
        help="record the chest's motion instead of raw samples: 50 kB a second instead of 2.5 MB",
    )
    options.add_argument("--note", metavar="TEXT", help="free text, stored with the recording")


def run(args: argparse.Namespace) -> int:
    """Record until stopped, or for the given time; return 1 if no frame was received."""
    check_new(args.folder)
    chirp = load_chirp(args.cfg)
    card = load_card(args.card)
    calibration = load_calibration(args.calibration, chirp)
    if args.serial or args.card:
        require_rate(chirp, card)
    stopping: list[bool] = []
    wanted = RecordingRequest(
        args.folder,
        chirp,
        args.iq_order or chirp.iq_order,
        calibration,
        args.seconds,
        device=os.environ.get(DEVICE),
        note=args.note,
        front_end=RcgExtractor(chirp, calibration) if args.points else None,
    )
    senders = data_senders(card, bool(args.serial or args.card))
    with (
        open_boards(chirp, args.serial, card) as driven,
        closing(data_port(chirp, args.host, args.port, senders, card.interface)) as data,
    ):
        on_stop(lambda: stopping.append(True))
        audit("recording started", folder=str(args.folder), device=wanted.device)
        frames = record_frames(wanted, driven, data, lambda: bool(stopping))
    if not frames:
        print(
            f"radarecg: error: no frame received on port {data.port}; check that the radar is streaming to it",
            file=sys.stderr,
        )
        return 1
    print(f"{args.folder}: {frames} frames")
    return 0
