"""The table of commands, and the way from the words on the command line to the command's module."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from edge import __version__
from edge.core.errors import InputError
from edge.core.spec import NOT_A_DEVICE

COMMANDS = {
    "demo": "Broker, twin, runtime and a live view, on this machine.",
    "run": "The runtime: radar frames in, ECG and vitals out over MQTT, until stopped.",
    "record": "Writes frames from the card into a new folder until stopped, or for a while.",
    "replay": "The same chain on a recording: a line a second, or one JSON line for the whole.",
    "calibrate": "Phase calibration, from a recording of a strong reflector straight ahead.",
    "plot": "Draws a recording: displacement, SST, and ECG where there is one.",
    "twin": "A simulated person in front of a simulated radar and card, until stopped.",
    "fhir-bridge": "On a hub: what devices publish as FHIR Observations, in a folder or at a server.",
    "swap-model": "Another network: tried here, then put in its place; a runtime at work takes it and says so on info.",
    "doctor": "Whether this machine, the boards and the broker are ready, and what to do where not.",
    "diagnostics": "What somebody needs who is to help: versions, settings without secrets, the doctor's findings, the "
    "last log.",
    "check-config": "What a chirp file means, or which limits it breaks.",
}
"""Each name is a module of `edge.cli.commands`, with _ for -; the text is its help."""


def run_command(words: Sequence[str]) -> int:
    """Runs the command that `words` name; returns the exit status. Bad input is one line on stderr and status 2."""
    args = parse(words)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        return int(args.run(args))
    except InputError as error:
        print(f"radarecg: error: {error}", file=sys.stderr)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"radarecg: error: {reason}", file=sys.stderr)
    return 2


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The options of the command named, and its `run`. Of the other commands nothing is imported."""
    parser = argparse.ArgumentParser(prog="radarecg", description=f"Heart rate from a radar. {NOT_A_DEVICE}")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        options = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            module = import_module(f"edge.cli.commands.{name.replace('-', '_')}")
            module.add_options(options)
            options.set_defaults(run=module.run)
    return parser.parse_args(words)
