"""`radarecg record`: frames from the card into a folder."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from edge.arguments import port, positive
from edge.calibration import UNCALIBRATED
from edge.interrupts import on_stop
from edge.radar.boards import boards
from edge.radar.calibration import load_calibration
from edge.radar.dca1000 import DEFAULT_DATA_PORT, DataPort
from edge.radar.dca1000_control import CardConfig, load_card
from edge.radar.decode import IQ_ORDERS
from edge.radar.firmware import load_chirp
from edge.radar.uart import AUTO
from edge.recording import Recorder, check_new

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
    order, device = args.iq_order or chirp.iq_order, os.environ.get(DEVICE)
    new = partial(Recorder, args.folder, chirp, order, calibration, device=device, note=args.note)
    recorder: Recorder | None = None  # with the first frame: what fails before leaves no folder
    with boards(chirp, args.serial, card) as start_boards, ExitStack() as stack:
        data = DataPort(args.host, args.port, chirp.frame_bytes)
        on_stop(data.close)
        start_boards(data.silence_s)
        end_s = time.monotonic() + args.seconds if args.seconds else float("inf")
        for frame in data.frames():
            if frame:
                recorder = recorder or stack.enter_context(new())
                recorder.write(frame)
            if recorder and sys.stderr.isatty():
                seconds = recorder.frames * chirp.frame_period_s
                print(f"\r{recorder.frames} frames, {seconds:.1f} s of data", end="", file=sys.stderr)
            if time.monotonic() > end_s:
                data.close()
    if recorder is None:
        print(f"radarecg: error: no frame came to port {data.port}: is the radar streaming to it?", file=sys.stderr)
        return 1
    print(f"{args.folder}: {recorder.frames} frames")
    return 0
