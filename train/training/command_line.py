"""What the commands share: presets, the options for workers, error messages and the exit status."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.core.errors import InputError
from train.data.ray_workers import LOCAL, connect_ray
from train.data.workers import LocalWorkers, Workers

PRESETS = Path(__file__).parents[1] / "presets"


def list_presets(folder: Path = PRESETS) -> str:
    """Return the names of the presets in a folder."""
    return ", ".join(sorted(path.stem for path in folder.glob("*.toml")))


def find_preset(name: str, folder: Path = PRESETS) -> Path:
    """Return the absolute path of a preset, or of `name` itself if that is a file x.toml. Raises InputError."""
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not path.exists():
        raise InputError(f"no preset {name!r}; there are {list_presets(folder)}, or name a settings file, x.toml")
    return path.resolve()


def positive(text: str) -> int:
    """Convert an option's value to a positive integer."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than one")
    return number


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Add the options --processes and --ray."""
    parser.add_argument(
        "--processes",
        type=positive,
        metavar="N",
        help="processes of this machine that share the work; default: one per core, or one if a GPU trains",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help=f'share the work on a Ray cluster: "auto", HOST:PORT, or "{LOCAL}" to start one on this machine',
    )


@contextmanager
def open_workers(args: argparse.Namespace) -> Iterator[Workers]:
    """Yield the workers of these options. Raises InputError."""
    if not args.ray:
        yield LocalWorkers(args.processes)
        return
    if args.processes and args.ray != LOCAL:
        raise InputError(f"--processes is for this machine; --ray {args.ray} uses all machines of that cluster")
    with connect_ray(args.ray, args.processes) as workers:
        yield workers


def run_command(program: str, work: Callable[[], object], resume: Path | None = None) -> int:
    """Do the work of a command; return its exit status, after one line on stderr if it fails or is interrupted.

    `resume`: the folder from which the same command resumes.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        work()
    except (InputError, OSError) as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        then = f"; run the same command again to resume from {resume}" if resume else ""
        print(f"{program}: interrupted{then}", file=sys.stderr)
        return 130
    return 0
