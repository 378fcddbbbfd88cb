"""`radarecg record`: frames from the card into a folder."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

from edge.cli.arguments import port, positive
from edge.core.interrupts import on_stop
from edge.radar.awr1843.serial_port import AUTO
from edge.radar.boards import boards
from edge.radar.calibration import UNCALIBRATED
from edge.radar.calibration_file import load_calibration
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.control import CardConfig, load_card, require_rate
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.radar.iq import IQ_ORDERS
from edge.sources.capture import Wanted, data_port, record
from edge.sources.recording import check_new

DEVICE = "RADARECG_DEVICE"  # the setting of `run`, which here comes from the environment alone


def add_options(options: argparse.ArgumentParser) -> None:
    """Where to, with which chirp file, and what is known of the boards."""
    options.add_argument("folder", type=Path)
    options.add_argument("--cfg", type=Path, required=True, help="the chirp file for the radar, or that it runs")
    options.add_argument("--seconds", type=positive, help="stop after this long; default: until interrupted")
    options.add_argument(
        "--serial", metavar="PORT", help=f"the radar's command port, or {AUTO}; default: others start it"
    )
    options.add_argument("--card", type=Path, metavar="TOML", help="the card's settings; default: those it comes with")
    options.add_argument("--host", default="0.0.0.0", help="this machine's address towards the card")
    options.add_argument("--port", type=port, default=DEFAULT_DATA_PORT)
    options.add_argument("--iq-order", choices=IQ_ORDERS, help="default: the chirp file's own")
    options.add_argument("--calibration", type=Path, metavar="TOML", help="of the board: kept with the recording")
    options.add_argument("--note", metavar="TEXT", help="anything to know about it: kept with the recording")


def run(args: argparse.Namespace) -> int:
    """Records until stopped, or for a while; returns 1 if no frame came."""
    check_new(args.folder)
    chirp = load_chirp(args.cfg)
    card = load_card(args.card) if args.card else CardConfig()
    calibration = load_calibration(args.calibration, chirp) if args.calibration else UNCALIBRATED
    if args.serial or args.card:
        require_rate(chirp, card)
    stopping: list[bool] = []
    wanted = Wanted(
        args.folder,
        chirp,
        args.iq_order or chirp.iq_order,
        calibration,
        args.seconds,
        device=os.environ.get(DEVICE),
        note=args.note,
    )
    with boards(chirp, args.serial, card) as driven, closing(data_port(chirp, args.host, args.port)) as data:
        on_stop(lambda: stopping.append(True))
        frames = record(wanted, driven, data, lambda: bool(stopping))
    if not frames:
        print(f"radarecg: error: no frame came to port {data.port}: is the radar streaming to it?", file=sys.stderr)
        return 1
    print(f"{args.folder}: {frames} frames")
    return 0
