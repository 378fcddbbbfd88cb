"""Simulates a data set in MMECG's format, for training without MMECG itself.

    python -m train.simulate --out DIR --subjects N --seed S

The command writes DIR/1.mat, 2.mat, ..., DIR/dataset.toml for `train.data.dataset`, and DIR/trial.png, a picture of the
first trial. It can be interrupted at any time: finished trials are kept (`train.simulation.simulated_set`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.core.interrupts import raise_on_interrupt
from edge.core.spec import RCG_RATE_HZ
from train.data.readers import mmecg
from train.simulation.picture import MIN_S, draw_trial
from train.simulation.simulated_set import DESCRIPTION, simulate_set
from train.simulation.trial import SAMPLES
from train.training.command_line import add_worker_options, open_workers, positive, run_command


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.simulate", description="Simulate a training set.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--subjects", type=positive, required=True, metavar="N")
    parser.add_argument("--seed", type=int, required=True, metavar="S")
    parser.add_argument("--trials-per-subject", type=positive, default=3, metavar="K")
    parser.add_argument("--seconds", type=positive, metavar="N", help="length of a trial; default: as long as MMECG's")
    add_worker_options(parser)
    args = parser.parse_args(arguments)
    if args.seconds and args.seconds < MIN_S:
        parser.error(f"--seconds {args.seconds}: a trial has at least {MIN_S} s")

    def work() -> None:
        samples = args.seconds * RCG_RATE_HZ if args.seconds else SAMPLES
        with open_workers(args) as workers:
            paths = simulate_set(args.out, args.subjects, args.seed, args.trials_per_subject, samples, workers)
        draw_trial(mmecg.read_trial(paths[0])).savefig(args.out / "trial.png", dpi=110)
        print(f"{len(paths)} trials of {args.subjects} subjects: {args.out / DESCRIPTION}")

    return run_command("train.simulate", work, resume=args.out)


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
