"""`radarecg replay`: processes recordings like live data, and writes what comes out."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.analysis import SHIPPED, open_recording
from edge.cli.replay import Outputs, replay_each, replay_one
from edge.cli.replay_live import add_live_options, replay_live
from edge.radar.iq import IQ_ORDERS
from edge.sources.metadata import find_recordings


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the recordings, how to decode their bytes, the network, and what to write."""
    options.add_argument(
        "recordings",
        type=Path,
        nargs="+",
        metavar="RECORDING",
        help="folder of a recording, a folder of such folders, or a single .bin file",
    )
    options.add_argument("--cfg", type=Path, help="chirp file, for a single .bin file")
    options.add_argument(
        "--iq-order", choices=IQ_ORDERS, help="order of I and Q; without it, as the recording or chirp file states"
    )
    options.add_argument("--summary", action="store_true", help="print one JSON line instead of one line per second")
    options.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write ECG, R peaks and vital signs to this .csv, .edf, .hea (WFDB) or .parquet; may be repeated; {name} "
        "is replaced by the recording's name",
    )
    options.add_argument("--report", type=Path, metavar="HTML", help="write a page with pictures; {name} as in --out")
    network = options.add_mutually_exclusive_group()
    network.add_argument("--bundle", type=Path, default=SHIPPED, help="the network; without it, the shipped one")
    network.add_argument("--no-network", action="store_true", help="only the rates of the motion itself, no ECG")
    add_live_options(options)


def run(args: argparse.Namespace) -> int:
    """Process one recording here, or several, each in a process of its own."""
    found = find_recordings(args.recordings)
    if args.web or args.mqtt:
        return replay_live(args, found)
    outputs = Outputs(tuple(args.out), args.report)
    if len(found) == 1:
        recording = open_recording(found[0], args.cfg, args.iq_order)
        outputs.check(found)
        return replay_one(recording, None if args.no_network else args.bundle, outputs.of(found[0]), args.summary)
    outputs.check(found)
    options = ["--no-network"] if args.no_network else ["--bundle", str(args.bundle)]
    options += ["--cfg", str(args.cfg)] if args.cfg else []
    options += ["--iq-order", args.iq_order] if args.iq_order else []
    return replay_each(found, options, outputs)
