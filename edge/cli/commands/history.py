"""`radarecg history`: shows, exports and deletes what the device has stored of the past."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from edge.cli.arguments import unix_time
from edge.core.errors import InputError
from edge.core.files import PRIVATE, write_atomic
from edge.history.export import csv_lines, edf_bytes
from edge.history.reader import RESOLUTIONS_S, open_reader
from edge.runtime.history import damaged_files, delete_history, history_file

_TIME = "Unix seconds, or a date and time with a zone, such as 2026-11-28T20:00:00Z"
_DELETED_LATE = "seconds measured during the deletion, at most the last five, may be stored after it"


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the three actions, each with the settings file."""
    actions = options.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="print what is stored, and from when to when")
    export = actions.add_parser("export", help="write vitals (.csv) or the ECG (.edf) of a time range to a file")
    delete = actions.add_parser("delete", help="delete a time range or everything, also while radarecg runs")
    for action in (show, export, delete):
        action.add_argument("--config", type=Path, required=True, metavar="TOML", help="settings of radarecg run")
    for action in (export, delete):
        action.add_argument("--from", dest="start", type=unix_time, metavar="TIME", help="start of the range: " + _TIME)
        action.add_argument("--to", dest="end", type=unix_time, metavar="TIME", help="its end, which is not included")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write: .csv or .edf")
    export.add_argument(
        "--resolution",
        type=int,
        choices=RESOLUTIONS_S,
        default=60,
        metavar="S",
        help="of a .csv: 1, 60 or 3600 seconds a row (default: %(default)s)",
    )
    delete.add_argument("--all", action="store_true", help="delete everything, also damaged files that were set aside")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    file = history_file(args.config)
    if args.action == "show":
        return _show(file)
    if args.start is not None and args.end is not None and args.start >= args.end:
        raise InputError("--from must be before --to")
    return _export(args, file) if args.action == "export" else _delete(args, file)


def _show(file: Path) -> int:
    with open_reader(file) as reader:
        ranges = reader.ranges()
    print(f"{file}  {sum(_size(file, suffix) for suffix in ('', '-wal')) / 1e6:.1f} MB")
    for name, stored in ranges.items():
        print(f"{name:>8}  {'none' if stored is None else f'{_utc(stored[0])} to {_utc(stored[1])}'}")
    for damaged in damaged_files(file):
        print(f" damaged  {damaged}")
    return 0


def _export(args: argparse.Namespace, file: Path) -> int:
    kind = args.out.suffix.lower()
    if kind not in (".csv", ".edf"):
        raise InputError(f"{args.out}: the name must end with .csv (vitals) or .edf (ECG)")
    if args.out.exists():
        raise InputError(f"{args.out}: exists; choose another name, or remove it first")
    with open_reader(file) as reader:
        stored = reader.ranges()["ecg" if kind == ".edf" else "minutes"]
        if stored is None:
            raise InputError(f"{file}: no {'ECG' if kind == '.edf' else 'vitals'} stored")
        start = stored[0] if args.start is None else args.start
        end = stored[1] if args.end is None else args.end
        if kind == ".edf":
            write_atomic(args.out, edf_bytes(reader, start, end), PRIVATE)
        else:
            with args.out.open("w", encoding="utf-8") as out:
                out.writelines(csv_lines(reader, start, end, args.resolution))
    print(args.out)
    return 0


def _delete(args: argparse.Namespace, file: Path) -> int:
    has_range = args.start is not None or args.end is not None
    if args.all == has_range:
        raise InputError("give --from, --to or both; or --all to delete everything")
    if args.all:
        delete_history(file, None)
        print(f"everything deleted; {_DELETED_LATE}")
        return 0
    start = 0 if args.start is None else int(args.start)
    end = int(time.time()) + 1 if args.end is None else -int(-args.end // 1)
    delete_history(file, (start, end))
    print(f"deleted from {_utc(start)} to {_utc(end)}; {_DELETED_LATE}")
    for damaged in damaged_files(file):
        print(f"{damaged} was set aside as damaged and may have data of this time: remove it, too", file=sys.stderr)
    return 0


def _size(file: Path, suffix: str) -> int:
    part = file.with_name(file.name + suffix)
    return part.stat().st_size if part.exists() else 0


def _utc(t_s: float) -> str:
    return f"{datetime.fromtimestamp(t_s, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
