"""`radarecg twin`: a person, a radar and a card that are simulated."""

from __future__ import annotations

import argparse
import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from edge.cli.arguments import heart_rate, port
from edge.core.interrupts import on_stop
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.control import load_card
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.twin.awr1843_emulator import Awr1843Emulator
from edge.twin.dca1000_emulator import DEFAULT_TRUTH_PORT, Dca1000Emulator
from edge.twin.heart import Heart
from edge.twin.scene import SCENES


def add_options(options: argparse.ArgumentParser) -> None:
    """What it behaves as, where it sends to, and who sits in front of it."""
    options.add_argument("--cfg", type=Path, required=True, help="the chirp file to behave as")
    options.add_argument("--host", default="127.0.0.1", help="where to send the card's packets")
    options.add_argument("--port", type=port, default=DEFAULT_DATA_PORT)
    options.add_argument(
        "--card",
        type=Path,
        metavar="TOML",
        help="be both boards: the card at this file's address and the radar's console, at a serial port that is "
        "printed; frames flow once both are started",
    )
    options.add_argument("--truth-port", type=port, default=DEFAULT_TRUTH_PORT)
    options.add_argument("--scene", choices=SCENES, default="still", help="who sits where, and what happens")
    options.add_argument("--heart-rate-bpm", type=heart_rate, default=68.0)


def run(args: argparse.Namespace) -> int:
    """Sends until stopped."""
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
        logging.getLogger("edge.twin").info("sending to %s:%d, telling the truth on port %d", *target, twin.truth_port)
        if radar:
            print(radar.port, flush=True)
        twin.run(lambda: bool(stopping))
    return 0
