"""The words of the command line: commands, their options, and what each may be."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from edge import __version__
from edge.arguments import heart_rate, port, positive
from edge.mqtt.fhir import VERSIONS
from edge.radar.dca1000 import DEFAULT_DATA_PORT
from edge.radar.decode import IQ_ORDERS
from edge.radar.uart import AUTO
from edge.spec import NOT_A_DEVICE
from edge.twin.dca1000_emulator import DEFAULT_TRUTH_PORT
from edge.twin.scene import SCENES

Command = Callable[[argparse.Namespace], int]


def parser(commands: dict[str, Command]) -> argparse.ArgumentParser:
    """The command line; parsed, `command` is the one of `commands` that was named. Their docstrings are the help."""
    whole = argparse.ArgumentParser(prog="radarecg", description=f"Heart rate from a radar. {NOT_A_DEVICE}")
    whole.add_argument("--version", action="version", version=__version__)
    subparsers = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str) -> argparse.ArgumentParser:
        command = commands[name]
        sub = subparsers.add_parser(name, help=command.__doc__, description=command.__doc__)
        sub.set_defaults(command=command)
        return sub

    sub = add("demo")
    sub.add_argument("--duration", type=positive, metavar="S", help="end by itself after this many seconds")
    sub.add_argument("--picture", type=Path, metavar="SVG", help="save the last view as a picture")

    sub = add("run")
    sub.add_argument("--config", type=Path, required=True, metavar="TOML")

    sub = add("record")
    sub.add_argument("folder", type=Path)
    sub.add_argument("--cfg", type=Path, required=True, help="the chirp file for the radar, or that it runs")
    sub.add_argument("--seconds", type=positive, help="stop after this long; default: until interrupted")
    sub.add_argument("--serial", metavar="PORT", help=f"the radar's command port, or {AUTO}; default: others start it")
    sub.add_argument("--card", type=Path, metavar="TOML", help="the card's settings; default: those it comes with")
    sub.add_argument("--host", default="0.0.0.0", help="this machine's address towards the card")
    sub.add_argument("--port", type=port, default=DEFAULT_DATA_PORT)
    sub.add_argument("--iq-order", choices=IQ_ORDERS, default="sdk")
    sub.add_argument("--calibration", type=Path, metavar="TOML", help="of the board: kept with the recording")

    sub = add("replay")
    sub.add_argument("recording", type=Path, help="a recording's folder, or a bare .bin file")
    sub.add_argument("--cfg", type=Path, help="chirp file of a bare .bin file")
    sub.add_argument("--iq-order", choices=IQ_ORDERS, help="default: the recording's own; sdk for a bare file")
    sub.add_argument("--summary", action="store_true", help="one JSON line instead of a line a second")

    sub = add("calibrate")
    sub.add_argument("recording", type=Path, help="a recording's folder")
    sub.add_argument("--range-m", type=positive, required=True, metavar="M", help="from the antennas to the reflector")
    sub.add_argument("--out", type=Path, required=True, metavar="TOML", help="a new file")

    sub = add("plot")
    sub.add_argument("file", type=Path, help="a recording's folder, a bare .bin file, or an .npz with displacement_mm")
    sub.add_argument("--cfg", type=Path, help="chirp file of a bare .bin file")
    sub.add_argument("--iq-order", choices=IQ_ORDERS, help="default: the recording's own; sdk for a bare file")
    sub.add_argument("--start", type=positive, default=0.0, metavar="S", help="where the picture begins")
    sub.add_argument("--seconds", type=positive, default=8.0, metavar="S", help="how much it shows")
    sub.add_argument("--picture", type=Path, metavar="PNG", help="default: the file's name with .png, here")

    sub = add("twin")
    sub.add_argument("--cfg", type=Path, required=True, help="the chirp file to behave as")
    sub.add_argument("--host", default="127.0.0.1", help="where to send the card's packets")
    sub.add_argument("--port", type=port, default=DEFAULT_DATA_PORT)
    sub.add_argument(
        "--card",
        type=Path,
        metavar="TOML",
        help="be both boards: the card at this file's address and the radar's console, at a serial port that is "
        "printed; frames flow once both are started",
    )
    sub.add_argument("--truth-port", type=port, default=DEFAULT_TRUTH_PORT)
    sub.add_argument("--scene", choices=SCENES, default="still", help="who sits where, and what happens")
    sub.add_argument("--heart-rate-bpm", type=heart_rate, default=68.0)

    sub = add("fhir-bridge")
    sub.add_argument("target", metavar="FOLDER|URL", help="where the Observations go; a server's .../Observation")
    sub.add_argument("--config", type=Path, required=True, metavar="TOML", help="[mqtt] and [spool] as for run, [fhir]")
    sub.add_argument("--fhir", choices=VERSIONS, default="R4B", help="the version of FHIR")

    sub = add("swap-model")
    sub.add_argument("folder", type=Path, help="the bundle")
    sub.add_argument("--config", type=Path, required=True, metavar="TOML", help="the settings of run")

    sub = add("doctor")
    sub.add_argument("--config", type=Path, metavar="TOML", help="the settings of run; default: the boards' defaults")

    sub = add("diagnostics")
    sub.add_argument("--config", type=Path, required=True, metavar="TOML")
    sub.add_argument("--out", type=Path, required=True, metavar="ZIP", help="a new file")

    sub = add("check-config")
    sub.add_argument("cfg", type=Path)
    return whole
