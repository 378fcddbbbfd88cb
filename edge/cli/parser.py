"""The table of commands, and the parser that selects a command's module from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from edge import __version__
from edge.core.errors import InputError
from edge.core.intended_use import NOT_A_DEVICE

COMMANDS = {
    "demo": "Run the whole chain on this machine: simulated radar, runtime, MQTT broker and a live view.",
    "run": "Run the device until stopped: receive radar frames, publish ECG and vital signs over MQTT.",
    "record": "Record frames from the capture card into a new folder, until stopped or for a given time.",
    "replay": "Reconstruct recordings: print a line per second or one of JSON; write ECG files and a report.",
    "calibrate": "Compute the board's phase calibration from a recording of a strong reflector straight ahead.",
    "personalise": "Measure one person's delay from R peak to motion beside another device; the ECG is shifted by it.",
    "plot": "Plot a recording: chest displacement, its spectrogram (SST), and the ECG if there is one.",
    "twin": "Simulate a person in front of a radar and a capture card, until stopped.",
    "fhir-bridge": "Run on a hub: store the messages of devices as FHIR resources in a folder or on a server.",
    "ward": "Run on a hub: serve one page for all devices, with notices. Not a clinical alarm.",
    "history": "Show, export or delete what the device has stored of the past: vitals, events, ECG.",
    "swap-model": "Test another network and switch to it; a running radarecg loads it and publishes its name on info.",
    "doctor": "Check whether this machine, the boards and the broker are ready, and how to solve each problem.",
    "diagnostics": "Collect a support archive without secrets: versions, settings, doctor findings, the last log.",
    "check-config": "Print what a chirp file configures, or which limits it violates.",
}
"""Each name is a module of `edge.cli.commands`, with _ for -; the text is its help."""


def run_command(words: Sequence[str]) -> int:
    """Run the command in `words` and return its exit status; invalid input gives one line on stderr and status 2."""
    args = parse(words)
    from edge.core.text_logs import one_line, use_text_logs  # logging takes longer to load than `--version` may take

    use_text_logs()
    try:
        return int(args.run(args))
    except InputError as error:
        print(f"radarecg: error: {one_line(str(error))}", file=sys.stderr)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"radarecg: error: {one_line(reason)}", file=sys.stderr)
    return 2


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the options of the chosen command and its `run` function; import no other command's module."""
    parser = argparse.ArgumentParser(prog="radarecg", description=f"ECG and heart rate from a radar. {NOT_A_DEVICE}")
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
