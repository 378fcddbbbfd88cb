"""Writes data sets of simulated people: one MMECG file per trial and the TOML file that describes the set.

The same seed gives the same bytes with any number of workers. Finished files are kept when the work is interrupted.
"""

from __future__ import annotations

import fcntl
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.progress import Progress

from edge.core.errors import InputError
from edge.core.spec import RCG_RATE_HZ
from train.data.dataset import DataSet, load_dataset
from train.data.readers import mmecg
from train.data.workers import THIS_MACHINE, Workers
from train.simulation.session import draw_session
from train.simulation.subject import draw_subject
from train.simulation.trial import SAMPLES, simulate

DESCRIPTION = "dataset.toml"
SIMULATION_VERSION = "3"
"""Part of a data set's name. Change it whenever the same seed would give other people or other motion."""
UNSEEN_SEED, UNSEEN_SUBJECTS = 9001, 12
"""Simulated people on whom the shipped bundle is measured; no network is trained on this seed."""
UNSEEN_FOLDER = Path("recordings") / f"simulated-{UNSEEN_SEED}"
_HEADER = b"MATLAB 5.0 MAT-file, simulated by radarecg: nobody's heart".ljust(116)
_UNFINISHED = "unfinished"


def simulate_set(
    folder: Path,
    subjects: int,
    seed: int,
    trials_per_subject: int = 3,
    samples: int = SAMPLES,
    workers: Workers = THIS_MACHINE,
) -> list[Path]:
    """Write the missing trials of the set and return the paths of all its trials.

    A later call may add more subjects of the same seed.

    Args:
        folder: Where the set is written; trial n is the file n.mat.
        subjects: Number of simulated people.
        seed: Seed of the set.
        trials_per_subject: Number of trials of each person.
        samples: Length of a trial at RCG_RATE_HZ.
        workers: Where the trials are simulated; those of other machines must share the folder.

    Raises:
        InputError: The folder holds a set with another seed, number of trials, length or simulation version.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.mat" for number in range(1, subjects * trials_per_subject + 1)]
    with (folder / DESCRIPTION).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # if two trainings start together, the second waits until the set is complete
        _describe(folder, f"simulated-{seed}-{trials_per_subject}x{samples}-{SIMULATION_VERSION}")
        _make_missing(paths, seed, trials_per_subject, samples, workers)
    return paths


def unseen_set(folder: Path = UNSEEN_FOLDER, subjects: int = UNSEEN_SUBJECTS, samples: int = SAMPLES) -> DataSet:
    """Load one trial of each person of UNSEEN_SEED; trials that are not in `folder` yet are simulated first."""
    simulate_set(folder, subjects, UNSEEN_SEED, trials_per_subject=1, samples=samples)
    return load_dataset(folder / DESCRIPTION)


def _make_missing(paths: list[Path], seed: int, trials_per_subject: int, samples: int, workers: Workers) -> None:
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    parts = paths[0].parent / _UNFINISHED
    parts.mkdir(exist_ok=True)
    with Progress() as progress:
        task = progress.add_task("trials", total=len(paths), completed=len(paths) - len(missing))
        tasks = {
            n: partial(
                _write, paths[n].resolve(), seed, n // trials_per_subject + 1, n % trials_per_subject + 1, samples
            )
            for n in missing
        }
        for _ in workers.run(tasks):
            progress.advance(task)
    shutil.rmtree(parts)


def _describe(folder: Path, name: str) -> None:
    text = (
        f'name = "{name}"\nreader = "mmecg"\npath = "."\n\n[split]  # no subject on both sides\n'
        'kind = "holdout"\nseed = 1\n'
    )
    path = folder / DESCRIPTION
    found = path.read_text()
    if found and f'name = "{name}"' not in found.splitlines():
        raise InputError(f"{path} describes another set than {name}; choose another folder, or empty this one")
    if not found:
        path.write_text(text)


def _write(path: Path, seed: int, subject: int, number: int, samples: int) -> None:
    session = draw_session(draw_subject(seed, subject), number, samples / RCG_RATE_HZ)
    part = path.parent / _UNFINISHED / path.name
    mmecg.write(replace(simulate(session, samples), name=path.stem), part)
    with part.open("r+b") as file:
        file.write(_HEADER)  # scipy's own header contains the time of day, so the bytes would differ
    part.replace(path)
