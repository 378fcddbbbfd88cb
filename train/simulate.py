"""Simulated people in MMECG's form: a data set to train on where MMECG itself is not at hand.

    python -m train.simulate --out DIR --subjects N --seed S

writes DIR/1.mat, 2.mat, ..., dataset.toml for `train.data.dataset`, and trial.png, a look at the first trial. The same
seed gives the same bytes, however many processes make them. Stop it when you like: what is finished is kept.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import sys
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path

from rich.progress import Progress

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.core.spec import RCG_RATE_HZ
from train.data.readers import mmecg
from train.data.workers import worker_pool
from train.simulation.picture import draw_trial
from train.simulation.session import draw_session
from train.simulation.subject import draw_subject
from train.simulation.trial import SAMPLES, simulate

_HEADER = b"MATLAB 5.0 MAT-file, simulated by radarecg: nobody's heart".ljust(116)
_DESCRIPTION, _PARTS = "dataset.toml", "unfinished"
SIMULATION_VERSION = "503cae8a"
"""Part of a data set's name. Change it whenever the same seed would give other people or other motion."""


def simulate_set(
    folder: Path,
    subjects: int,
    seed: int,
    trials_per_subject: int = 3,
    samples: int = SAMPLES,
    processes: int | None = None,
) -> list[Path]:
    """Writes the set and returns its files; a finished file is kept. `processes` None: one a core.

    More subjects of the same seed may be added later. Raises InputError when the folder holds a set of another seed,
    another number of trials, or of people simulated otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _describe(folder, f"simulated-{seed}-{trials_per_subject}x{samples}-{SIMULATION_VERSION}")
    paths = [folder / f"{number}.mat" for number in range(1, subjects * trials_per_subject + 1)]
    with (folder / _DESCRIPTION).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two trainings may begin at once: the second waits for the first one's people
        _make_missing(paths, seed, trials_per_subject, samples, processes)
    return paths


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.simulate", description="Simulates a training set.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--subjects", type=_positive, required=True, metavar="N")
    parser.add_argument("--seed", type=int, required=True, metavar="S")
    parser.add_argument("--trials-per-subject", type=_positive, default=3, metavar="K")
    parser.add_argument("--seconds", type=_positive, metavar="N", help="of a trial; default: as long as MMECG's")
    args = parser.parse_args(arguments)
    try:
        samples = args.seconds * RCG_RATE_HZ if args.seconds else SAMPLES
        paths = simulate_set(args.out, args.subjects, args.seed, args.trials_per_subject, samples)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    draw_trial(mmecg.read_trial(paths[0])).savefig(args.out / "trial.png", dpi=110)
    print(f"{len(paths)} trials of {args.subjects} subjects: {args.out / 'dataset.toml'}")
    return 0


def _make_missing(paths: list[Path], seed: int, trials_per_subject: int, samples: int, processes: int | None) -> None:
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    parts = paths[0].parent / _PARTS
    parts.mkdir(exist_ok=True)
    with Progress() as progress, worker_pool(processes) as pool:
        task = progress.add_task("trials", total=len(paths), completed=len(paths) - len(missing))
        jobs = [
            pool.submit(_write, paths[n], seed, n // trials_per_subject + 1, n % trials_per_subject + 1, samples)
            for n in missing
        ]
        for done in as_completed(jobs):
            done.result()
            progress.advance(task)
    shutil.rmtree(parts)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than one")
    return number


def _describe(folder: Path, name: str) -> None:
    text = (
        f'name = "{name}"\nreader = "mmecg"\npath = "."\n\n[split]  # no subject on both sides\n'
        'kind = "holdout"\nseed = 1\n'
    )
    path = folder / _DESCRIPTION
    if path.exists() and f'name = "{name}"' not in path.read_text().splitlines():
        raise InputError(f"{path} describes another set than {name}; choose another folder, or empty this one")
    if not path.exists():
        path.write_text(text)


def _write(path: Path, seed: int, subject: int, number: int, samples: int) -> None:
    session = draw_session(draw_subject(seed, subject), number, samples / RCG_RATE_HZ)
    part = path.parent / _PARTS / path.name
    mmecg.write(replace(simulate(session, samples), name=path.stem), part)
    with part.open("r+b") as file:
        file.write(_HEADER)  # in place of the one with the time of day
    part.replace(path)


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
