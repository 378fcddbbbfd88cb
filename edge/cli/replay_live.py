"""Options of `radarecg replay` for the live page and the broker, and the replay that they start."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from edge.analysis import open_recording
from edge.cli.arguments import port, positive
from edge.core.errors import InputError
from edge.core.interrupts import on_stop


def add_live_options(options: argparse.ArgumentParser) -> None:
    """Add a group of options: the page and its port, the broker and the device's name, and the speed."""
    group = options.add_argument_group("live", "show the recording as if it happened now")
    group.add_argument("--web", action="store_true", help="serve the live page, on which the replay can pause and seek")
    group.add_argument("--port", type=port, default=8080, help="TCP port of the page (default: %(default)s)")
    group.add_argument(
        "--mqtt",
        metavar="BROKER",
        help="publish to this broker: HOST, HOST:PORT, or the settings file of radarecg run",
    )
    group.add_argument(
        "--device",
        default="replay",
        help="name to publish under; never that of a device that is running (default: %(default)s)",
    )
    group.add_argument(
        "--speed", type=positive, default=1.0, help="multiple of real time, such as 2 or 5 (default: %(default)g)"
    )


def replay_live(args: argparse.Namespace, found: Sequence[Path]) -> int:
    """Replay until stopped, or without a page until the recording ends."""
    if len(found) > 1:
        raise InputError(f"--web and --mqtt replay one recording, not {len(found)}: name one")
    if args.out or args.report or args.summary:
        raise InputError("--web and --mqtt write no files and no summary: omit --out, --report and --summary")
    from edge.runtime.replay_service import ReplayRequest, resolve_broker, serve_replay  # takes a second

    recording = open_recording(found[0], args.cfg, args.iq_order)
    recording.require_radar_data()
    request = ReplayRequest(
        recording.recording,
        args.port if args.web else None,
        resolve_broker(args.mqtt) if args.mqtt else None,
        args.device,
        args.speed,
        None if args.no_network else args.bundle,
    )
    serve_replay(request, on_stop)
    return 0
