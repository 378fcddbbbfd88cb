"""`radarecg twin`: simulates a person, a radar and a capture card."""

from __future__ import annotations

import argparse
import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from edge.cli.arguments import heart_rate, port
from edge.core.errors import InputError, install_hint
from edge.core.interrupts import on_stop
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.control import load_card
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.twin.awr1843_emulator import Awr1843Emulator
from edge.twin.heart import Heart
from edge.twin.scene import SCENES

_DEFAULT_TRUTH_PORT = 4100


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the chirp file, the addresses and the simulated person."""
    options.add_argument("--cfg", type=Path, required=True, help="chirp file of the simulated radar")
    options.add_argument(
        "--host", default="127.0.0.1", help="address to send the card's packets to (default: %(default)s)"
    )
    options.add_argument(
        "--port", type=port, default=DEFAULT_DATA_PORT, help="UDP port to send them to (default: %(default)s)"
    )
    options.add_argument(
        "--card",
        type=Path,
        metavar="TOML",
        help="also simulate the commands of both boards: the card's at the address in this file, the radar's on a "
        "serial port whose name is printed; frames are sent once both are started",
    )
    options.add_argument(
        "--truth-port",
        type=port,
        default=_DEFAULT_TRUTH_PORT,
        help="port that serves the ground truth (default: %(default)s)",
    )
    options.add_argument(
        "--scene", choices=SCENES, default="still", help="position and movement of the person (default: %(default)s)"
    )
    options.add_argument(
        "--heart-rate-bpm", type=heart_rate, default=68.0, help="beats per minute (default: %(default)g)"
    )


def run(args: argparse.Namespace) -> int:
    """Send frames until stopped."""
    try:
        from edge.twin.dca1000_emulator import Dca1000Emulator
    except ModuleNotFoundError as error:
        raise InputError(f"the twin needs {error.name}: {install_hint('demo')}") from error
    chirp, target = load_chirp(args.cfg), (args.host, args.port)
    scene = replace(SCENES[args.scene], heart=Heart(args.heart_rate_bpm))
    stopping: list[bool] = []
    on_stop(lambda: stopping.append(True))
    with ExitStack() as stack:
        radar = control = None
        if args.card:
            card = load_card(args.card)
            control = (card.card_address, card.control_port)
            radar = stack.enter_context(Awr1843Emulator(chirp.image))
        twin = Dca1000Emulator(chirp, scene, target, args.truth_port, radar, control)
        logging.getLogger("edge.twin").info(
            "sending to %s:%d, serving the ground truth on port %d", *target, twin.truth_port
        )
        if radar:
            print(radar.port, flush=True)
        twin.run(lambda: bool(stopping))
    return 0
