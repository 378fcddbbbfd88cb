"""`radarecg personalise`: measures one person's delay between R peak and motion, and stores it for the device."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.cli.arguments import moment, positive
from edge.core.errors import InputError
from edge.runtime.personalise import delete_personal_delay, personalise


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the recording, the reference, its clock, and the settings of the device."""
    options.add_argument("recording", type=Path, nargs="?", help="folder of a recording of a minute or longer")
    options.add_argument(
        "reference",
        type=Path,
        nargs="?",
        help="the same minute by another device: ECG, R peak times or RR intervals (.csv .txt .tsv .npz .edf)",
    )
    options.add_argument(
        "--config", type=Path, required=True, metavar="TOML", help="settings file of radarecg run, with personal_delay"
    )
    options.add_argument(
        "--starts-at",
        type=moment,
        metavar="TIME",
        help="start of a reference without Unix times (of RR intervals: the first R peak), by the recording's clock: "
        "Unix seconds, or date and time with a zone, or the word recording if both were started by one signal. An "
        "error of this time is an error of the delay",
    )
    options.add_argument(
        "--rate-hz", type=positive, metavar="HZ", help="sampling rate of an ECG in a file that has no times"
    )
    options.add_argument("--delete", action="store_true", help="delete the stored delay instead")


def run(args: argparse.Namespace) -> int:
    """Store the delay and print it, or delete it."""
    if args.delete:
        if args.recording is not None:
            raise InputError("--delete takes no recording; measuring again replaces the stored delay")
        print(delete_personal_delay(args.config))
        return 0
    if args.reference is None:
        raise InputError("give a recording and a reference, or --delete")
    print(personalise(args.recording, args.reference, args.config, args.starts_at, args.rate_hz))
    return 0
