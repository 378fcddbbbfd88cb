"""Compares all strategies on the same network and data: the paper's Table I, with the spread over seeds.

    python -m train.compare --preset tiny --seeds 3 --out runs/tiny

The last epoch of every run is evaluated on the test subjects: the learning rate is then zero, and no epoch is selected.
The same command resumes an interrupted comparison: finished runs are kept, and the table is updated after each. The
runs share the cores of this machine, or the machines of a Ray cluster (--ray). Gradients are compared at the shared
parameters, as in the paper, regardless of the preset; one row of EGA compares them at the representation, and one uses
the order of the authors' program.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path

import msgspec

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from train.data.dataset import DataSet, part_of
from train.data.workers import Workers
from train.training.cached_work import check_settings
from train.training.command_line import add_worker_options, find_preset, open_workers, run_command
from train.training.config import Strategy, TrainConfig, load_train_config
from train.training.jobs import run_grid
from train.training.setup import prepare_data
from train.training.strategy_table import BASELINE, ROWS, figures_of, table


def compare(preset: str, rows: Collection[str], seeds: int, out: Path, workers: Workers) -> str:
    """Run the jobs that are not finished; return the table, which is also in `out`. Raises InputError, OSError."""
    config, data = _prepare(preset, rows, seeds, out)
    wanted = [name for name in ROWS if name in {BASELINE, *rows}]
    jobs = {
        (row, seed): partial(
            figures_of, row, msgspec.structs.replace(config, seed=seed), data, out.resolve() / f"{row}-seed{seed}"
        )
        for seed in range(config.seed, config.seed + seeds)
        for row in wanted
    }
    chosen = "" if set(wanted) == set(ROWS) else f" --strategies {' '.join(wanted)}"
    heading = f"`python -m train.compare --preset {preset} --seeds {seeds}{chosen}`: {_describe(config, data)}"
    for found in run_grid(jobs, out, workers):
        if BASELINE in found:
            (out / "table.md").write_text(f"{heading}\n\n{table(found)}\n")
    return (out / "table.md").read_text()


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.compare", description="Compare all strategies.")
    parser.add_argument("--preset", required=True, metavar="NAME", help="a preset of train/presets, or a settings file")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument(
        "--strategies", nargs="+", default=list(ROWS), metavar="ROW", help=f"rows of the table: {', '.join(ROWS)}"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_worker_options(parser)
    args = parser.parse_args(arguments)

    def work() -> None:
        with open_workers(args) as workers:
            print(compare(args.preset, args.strategies, args.seeds, args.out, workers))

    return run_command("train.compare", work, resume=args.out)


def _prepare(preset: str, rows: Collection[str], seeds: int, out: Path) -> tuple[TrainConfig, DataSet]:
    path = find_preset(preset)
    if unknown := sorted(set(rows) - set(ROWS)):
        raise InputError(f"no strategy {unknown[0]!r} in the table; there are {', '.join(ROWS)}")
    if seeds < 1:
        raise InputError(f"{seeds} seeds; at least one is needed")
    config = load_train_config(path)
    config = msgspec.structs.replace(config, strategy=Strategy())
    data = prepare_data(config, path.parent)
    part_of(data, "test", config.data.fold)
    check_settings({"preset": msgspec.to_builtins(config), "data": data.name}, out)
    return config, data


def _describe(config: TrainConfig, data: DataSet) -> str:
    fold, training = data.folds[config.data.fold], config.training
    return (
        f"{data.name}, {fold.by}s: {len(fold.train)} to train on, {len(fold.test)} to test on. "
        f"{training.epochs * training.steps} steps of {training.batch} windows of {config.data.points} points. "
        "Mean ± standard deviation over seeds; figures of single windows; Delta_m against the mean of stl."
    )


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
