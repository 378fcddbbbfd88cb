"""Reproduces the paper's tables and figures on a data set, with the paper's values beside.

    python -m train.reproduce all --data MMECG.toml --out runs/paper
    python -m train.reproduce table1 fig6 --data people.toml --preset tiny --split subject --seeds 3 --out runs/tiny

The results are in OUT/report.md, which is written anew after every finished piece of work. The same command resumes an
interrupted one. `--split paper` is the paper's: 80/10/10 % of MMECG's 91 trials, so that the same people are in several
parts; `--split subject` tests only people that the network has not seen. Without the option both are reproduced, the
paper's only if the set has 91 trials.

The work of a table or figure is shared by the cores of this machine, or by the machines of a Ray cluster (--ray); these
must have OUT and the data set at the same path.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from edge.core.files import write_atomic
from edge.core.interrupts import raise_on_interrupt
from train.data.splits import PAPER_TRIALS
from train.data.workers import Workers
from train.reproduce.distributions import figure_seven, figure_six
from train.reproduce.noise import figure_eight, figure_five, table_four, table_three
from train.reproduce.scenes import table_two
from train.reproduce.strategies import table_one
from train.reproduce.study import SplitName, Study, load_data, open_study
from train.training.command_line import add_worker_options, open_workers, positive, run_command

TARGETS: dict[str, Callable[[Study], Iterator[str]]] = {
    "table1": table_one,
    "table3": table_three,
    "table4": table_four,
    "fig5": figure_five,
    "fig6": figure_six,
    "fig7": figure_seven,
    "fig8": figure_eight,
}
"""What is made of each study."""
SCENES = "table2"
TITLES = {
    "table1": "Table I: strategies",
    SCENES: "Table II: strategies on scenes",
    "table3": "Table III: constant noise",
    "table4": "Table IV: abrupt noise",
    "fig5": "Figure 5: an ECG in abrupt noise",
    "fig6": "Figure 6: long-term ECGs",
    "fig7": "Figure 7: Q, R, S and T",
    "fig8": "Figure 8: Delta_m in noise",
}
SPLIT_BY: dict[SplitName, str] = {"paper": "trial", "subject": "subject"}


def reproduce(targets: Sequence[str], studies: Sequence[Study], scenes: Callable[[], Iterator[str]], out: Path) -> str:
    """Make the targets of all studies, and that of the scenes; return the report, which is written after each part."""
    done: dict[str, str] = {}
    for target in (target for target in TITLES if target in targets):
        parts = (
            {"": scenes}
            if target == SCENES
            else {f", split by {SPLIT_BY[study.split]}": partial(TARGETS[target], study) for study in studies}
        )
        for which, make in parts.items():
            for text in make():
                done[f"## {TITLES[target]}{which}"] = text
                write_atomic(out / "report.md", _report(done).encode())
    return _report(done)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.reproduce", description="Reproduce the paper's results.")
    parser.add_argument("targets", nargs="+", choices=[*TITLES, "all"], metavar="TARGET", help=", ".join(TITLES))
    parser.add_argument("--data", type=Path, metavar="TOML", help="the data set; not needed for table2 alone")
    parser.add_argument("--preset", default="paper", metavar="NAME", help="of train/presets, or a settings file")
    parser.add_argument("--scenes", default="rooms", metavar="NAME", help="of table2: rooms, nyuv2, or a settings file")
    parser.add_argument("--split", choices=("paper", "subject"), help="default: both")
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="of Tables I and II")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_worker_options(parser)
    args = parser.parse_args(arguments)
    targets = list(TITLES) if "all" in args.targets else args.targets
    if not args.data and set(targets) != {SCENES}:
        parser.error("--data is required, except for table2 alone")

    def work() -> None:
        args.out.mkdir(parents=True, exist_ok=True)
        with open_workers(args) as workers:
            studies = open_studies(args, workers) if set(targets) != {SCENES} else []
            scenes = partial(table_two, args.scenes, args.seeds, args.out / "scenes", workers)
            print(reproduce(targets, studies, scenes, args.out))

    return run_command("train.reproduce", work, resume=args.out)


def open_studies(args: argparse.Namespace, workers: Workers) -> list[Study]:
    """Load the data set and open the studies of its splits. Raises InputError, OSError."""
    config, data = load_data(args.preset, args.data, workers)
    splits: list[SplitName] = [args.split] if args.split else ["paper", "subject"]
    if not args.split and (trials := len(data.recordings)) != PAPER_TRIALS:
        print(f"{data.name} has {trials} trials, not MMECG's {PAPER_TRIALS}: only the split by subject")
        splits = ["subject"]
    return [open_study(config, data, split, args.seeds, args.out, workers) for split in splits]


def _report(done: Mapping[str, str]) -> str:
    parts = ["# The paper's tables and figures, reproduced", *(f"{title}\n\n{text}" for title, text in done.items())]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
