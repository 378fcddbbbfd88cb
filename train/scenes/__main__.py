"""Compares strategies on indoor scenes: segmentation, depth and normals, as in the paper's Table II.

    python -m train.scenes --preset rooms --strategies ew ega-1 --out runs/rooms
    python -m train.scenes --preset nyuv2 --out runs/nyuv2

`rooms` are procedural and take about two minutes for each strategy on two cores; `nyuv2` needs that set and a GPU. The
same command resumes an interrupted comparison. The runs share the cores of this machine, or the machines of a Ray
cluster (--ray), each of which then needs the files of `nyuv2` at the same path.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.core.interrupts import raise_on_interrupt
from train.scenes.table import ROWS, compare_strategies
from train.scenes.training import PRESETS, load_scene_config, prepare_scenes
from train.training.command_line import (
    add_worker_options,
    find_preset,
    list_presets,
    open_workers,
    positive,
    run_command,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m train.scenes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--preset", required=True, metavar="NAME", help=f"{list_presets(PRESETS)}, or a settings file, x.toml"
    )
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="default: 1")
    parser.add_argument(
        "--strategies",
        nargs="+",
        default=list(ROWS),
        choices=list(ROWS),
        metavar="ROW",
        help=f"rows of the table, default all: {', '.join(ROWS)}; Delta_m needs stl",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_worker_options(parser)
    args = parser.parse_args(arguments)

    def work() -> None:
        path = find_preset(args.preset, PRESETS)
        config = load_scene_config(path)
        data = prepare_scenes(config, path.parent)
        with open_workers(args) as workers:
            *_, text = compare_strategies(config, data, path.parent, args.strategies, args.seeds, args.out, workers)
        print(text)

    return run_command("train.scenes", work, resume=args.out)


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
