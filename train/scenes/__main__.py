"""Compares strategies on indoor scenes: segmentation, depth and normals, as in the paper's Table II.

    python -m train.scenes --preset rooms --strategies ew ega-1 --out runs/rooms
    python -m train.scenes --preset nyuv2 --out runs/nyuv2

`rooms` are procedural and take about two minutes for each strategy on two cores; `nyuv2` needs that set and a GPU. The
same command resumes an interrupted comparison. Several processes, each on its own GPU or core, share the work.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from train.scenes.table import ROWS, compare_strategies
from train.scenes.training import load_scene_config, prepare_scenes

PRESETS = Path(__file__).parent / "presets"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m train.scenes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = ", ".join(sorted(path.stem for path in PRESETS.glob("*.toml")))
    parser.add_argument("--preset", required=True, metavar="NAME", help=f"{known}, or a settings file, x.toml")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument(
        "--strategies",
        nargs="+",
        default=list(ROWS),
        choices=list(ROWS),
        metavar="ROW",
        help=f"rows of the table, default all: {', '.join(ROWS)}; Delta_m needs stl",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args(arguments)
    if args.seeds < 1:
        parser.error(f"--seeds is {args.seeds}; it must be at least 1")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    path = Path(args.preset) if args.preset.endswith(".toml") else PRESETS / f"{args.preset}.toml"
    try:
        if not path.exists():
            raise InputError(f"no preset {args.preset!r}; there are {known}, or name a settings file, x.toml")
        config = load_scene_config(path)
        data = prepare_scenes(config, path.parent)
        print(compare_strategies(config, data, path.parent, args.strategies, args.seeds, args.out))
    except (InputError, OSError) as error:
        print(f"train.scenes: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train.scenes: interrupted; run the same command again to resume from {args.out}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
