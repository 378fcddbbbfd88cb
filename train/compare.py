"""Compares all strategies on the same network and data: the paper's Table I, with the spread over seeds.

    python -m train.compare --preset tiny --seeds 3 --out runs/tiny

The last epoch of every run is evaluated on the test subjects: the learning rate is then zero, and no epoch is selected.
The same command resumes an interrupted comparison: finished runs are kept, and the table is updated after each. Several
processes share the work, on a GPU or (with OMP_NUM_THREADS=1) on one core each. Gradients are compared at the shared
parameters, as in the paper, regardless of the preset; one row of EGA compares them at the representation, and one uses
the order of the authors' program.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import msgspec

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from train.data.dataset import DataSet, part_of
from train.evaluation.summary import Row
from train.training.cached_work import cached_json, check_settings, file_lock
from train.training.config import Strategy, TrainConfig, load_train_config
from train.training.setup import prepare_data
from train.training.strategy_table import BASELINE, ROWS, figures_of, table

PRESETS = Path(__file__).parent / "presets"


def compare(preset: str, rows: Collection[str], seeds: int, out: Path) -> str:
    """Run missing jobs that no other process is running; return the table. Raises InputError, OSError."""
    config, data = _prepare(preset, rows, seeds, out)
    wanted = [name for name in ROWS if name in {BASELINE, *rows}]
    jobs: dict[Path, tuple[str, Callable[[], Row]]] = {}
    for seed in range(config.seed, config.seed + seeds):
        for row in wanted:
            name, seeded = f"{row}-seed{seed}", msgspec.structs.replace(config, seed=seed)
            jobs[out / f"{name}.json"] = row, partial(figures_of, row, seeded, data, out / name)
    chosen = "" if set(wanted) == set(ROWS) else f" --strategies {' '.join(wanted)}"
    heading = f"`python -m train.compare --preset {preset} --seeds {seeds}{chosen}`: {_describe(config, data)}"
    missing, began = _missing(jobs), time.monotonic()
    for path, (_, make) in jobs.items():
        with file_lock(path) as ours:
            if ours and not path.exists():
                done = missing - _missing(jobs)
                left = (missing - done) * (time.monotonic() - began) / done / 60 if done else None
                print(f"{path.stem}: {done + 1} of {missing}" + (f", {left:.0f} min left" if left else ""))
                cached_json(path, make)
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)  # the checkpoints are no longer needed
        found: dict[str, list[Row]] = {}
        for finished, (row, make) in jobs.items():
            if finished.exists():
                found.setdefault(row, []).append(cached_json(finished, make))
        if BASELINE in found:
            (out / "table.md").write_text(f"{heading}\n\n{table(found)}\n")
    if _missing(jobs):
        return f"{_missing(jobs)} of {len(jobs)} are still being made by another process; then see {out / 'table.md'}"
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
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        print(compare(args.preset, args.strategies, args.seeds, args.out))
    except (InputError, OSError) as error:
        print(f"train.compare: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train.compare: interrupted; run the same command again to resume from {args.out}", file=sys.stderr)
        return 130
    return 0


def _prepare(preset: str, rows: Collection[str], seeds: int, out: Path) -> tuple[TrainConfig, DataSet]:
    path = Path(preset) if preset.endswith(".toml") else PRESETS / f"{preset}.toml"
    if not path.exists():
        known = ", ".join(sorted(path.stem for path in PRESETS.glob("*.toml")))
        raise InputError(f"no preset {preset!r}; there are {known}, or name a settings file, x.toml")
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


def _missing(paths: Collection[Path]) -> int:
    return sum(not path.exists() for path in paths)


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
