"""`radarecg replay`: processes a recording like live data."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edge.cli.replay_live import add_live_options, replay_live
from edge.cli.report import Report
from edge.core.errors import InputError
from edge.core.interrupts import on_stop
from edge.core.spec import WINDOW_S
from edge.dsp.frontend.rcg import find_problem
from edge.pipeline import Pipeline
from edge.pipeline import run as run_chain
from edge.radar.iq import IQ_ORDERS
from edge.sources.recording import open_recording
from edge.sources.replay import ReplaySource


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the recording and how to decode its bytes."""
    options.add_argument("recording", type=Path, help="folder of a recording, or a single .bin file")
    options.add_argument("--cfg", type=Path, help="chirp file, for a single .bin file")
    options.add_argument(
        "--iq-order", choices=IQ_ORDERS, help="order of I and Q; without it, as the recording or chirp file states"
    )
    options.add_argument("--summary", action="store_true", help="print one JSON line instead of one line per second")
    add_live_options(options)


def run(args: argparse.Namespace) -> int:
    """Print one line per second, or one JSON line for the whole recording."""
    recording = open_recording(args.recording, args.cfg, args.iq_order)
    if problem := find_problem(recording.chirp, ReplaySource(recording).frames()):
        if "IQ order" in problem:
            other = next(order for order in IQ_ORDERS if order != recording.iq_order)
            problem = f"{problem}; try --iq-order {other}"
        raise InputError(f"{args.recording}: {problem}")
    if args.web or args.mqtt:
        return replay_live(args, recording)
    source = ReplaySource(recording)
    on_stop(source.close)
    pipeline = Pipeline(recording.chirp, lambda: recording.clock_synced, recording.calibration)
    report = Report(None if args.summary else sys.stdout)
    run_chain(source, pipeline, report)
    frames = {"frames": pipeline.frames.received, "frames_lost": pipeline.frames.lost}
    seconds = len(recording.index) * recording.chirp.frame_period_s
    if seconds < WINDOW_S:
        print(f"radarecg: note: {seconds:.1f} s of data; a heart rate needs more than {WINDOW_S:.0f}", file=sys.stderr)
    if args.summary:
        print(json.dumps({"recording": args.recording.name, **frames, **report.summary()}))
    return 0
