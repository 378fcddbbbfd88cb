"""Reproduces the paper's tables and figures on a data set, with the paper's values beside.

    python -m train.reproduce all --data MMECG.toml --out runs/paper
    python -m train.reproduce table1 fig6 --data people.toml --preset tiny --split subject --seeds 3 --out runs/tiny

The results are in OUT/report.md, which is written anew after every finished piece of work. The same command resumes an
interrupted one. `--split paper` is the paper's: 80/10/10 % of MMECG's 91 trials, so that the same people are in several
parts; `--split subject` tests only people that the network has not seen. Without the option both are reproduced, the
paper's only if the set has 91 trials.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge.core.errors import InputError
from edge.core.files import write_atomic
from edge.core.interrupts import raise_on_interrupt
from train.data.splits import PAPER_TRIALS
from train.reproduce.distributions import figure_seven, figure_six
from train.reproduce.frameworks import FRAMEWORKS
from train.reproduce.noise import ABRUPT, CONSTANT, figure_eight, figure_five, table_four, table_three
from train.reproduce.paper_values import TABLE_I
from train.reproduce.strategies import table_one
from train.reproduce.study import SplitName, Study, load_data, open_study

TARGETS: dict[str, tuple[str, Callable[[Study], Iterator[str]]]] = {
    "table1": ("Table I: strategies", table_one),
    "table3": ("Table III: constant noise", table_three),
    "table4": ("Table IV: abrupt noise", table_four),
    "fig5": ("Figure 5: an ECG in abrupt noise", figure_five),
    "fig6": ("Figure 6: long-term ECGs", figure_six),
    "fig7": ("Figure 7: Q, R, S and T", figure_seven),
    "fig8": ("Figure 8: Delta_m in noise", figure_eight),
}


def reproduce(targets: Sequence[str], studies: Sequence[Study], out: Path) -> str:
    """Make the targets of all studies; return the report, which is written after every piece of work."""
    done: dict[tuple[str, SplitName], str] = {}
    for study in studies:
        study.progress.total = _missing(targets, study)
    for target in targets:
        for study in studies:
            for text in TARGETS[target][1](study):
                done[target, study.split] = text
                write_atomic(out / "report.md", _report(done).encode())
    return _report(done)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.reproduce", description="Reproduce the paper's results.")
    parser.add_argument("targets", nargs="+", choices=[*TARGETS, "all"], metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--data", type=Path, required=True, metavar="TOML", help="the data set")
    parser.add_argument(
        "--preset", default="paper", metavar="NAME", help="a preset of train/presets, or a settings file"
    )
    parser.add_argument("--split", choices=("paper", "subject"), help="default: both")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="of Table I")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args(arguments)
    if args.seeds < 1:
        parser.error("--seeds must be at least 1")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        config, data = load_data(args.preset, args.data)
        splits: list[SplitName] = [args.split] if args.split else ["paper", "subject"]
        if not args.split and len(data.recordings) != PAPER_TRIALS:
            print(
                f"{data.name} has {len(data.recordings)} trials, not MMECG's {PAPER_TRIALS}: only the split by subject"
            )
            splits = ["subject"]
        studies = [open_study(config, data, split, args.seeds, args.out) for split in splits]
        print(reproduce(list(TARGETS) if "all" in args.targets else args.targets, studies, args.out))
    except (InputError, OSError) as error:
        print(f"train.reproduce: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train.reproduce: interrupted; run the same command again to resume from {args.out}", file=sys.stderr)
        return 130
    return 0


def _missing(targets: Sequence[str], study: Study) -> int:
    """Return how many pieces of work the targets need that are not finished."""
    noise = {"table3": CONSTANT, "table4": ABRUPT, "fig8": CONSTANT + ABRUPT}
    tests = {test for target in targets for test in noise.get(target, ())}
    jobs = len(TABLE_I) * study.seeds if "table1" in targets else 0
    jobs += len(FRAMEWORKS) * (len(tests) + 1 if tests else 0)
    jobs += len(FRAMEWORKS) * len(study.data.folds) if {"fig6", "fig7"} & set(targets) else 0
    return max(0, jobs - sum(path.name != "settings.json" for path in study.folder.glob("*.json")))


def _report(done: dict[tuple[str, SplitName], str]) -> str:
    parts = ["# The paper's tables and figures, reproduced\n"]
    for target, (title, _) in TARGETS.items():
        by: dict[SplitName, str] = {"paper": "trial", "subject": "subject"}
        parts += [
            f"## {title}, split by {what}\n\n{done[target, split]}\n"
            for split, what in by.items()
            if (target, split) in done
        ]
    return "\n".join(parts)


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
