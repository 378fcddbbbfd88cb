"""Trains compact, the paper's network and both comparators for the same time, and measures their long-term ECGs.

    pip install -e '.[train]'
    python bench/equal_time.py --data recordings/tiny/dataset.toml --minutes 15 --out runs/equal

Each network has the settings of its preset but for the number of steps, which follows from the time of a few. Short
trainings give the time of a step, and of what an epoch or a run needs besides. The networks are measured on the
test people of the data set. They share the cores of the machine, each with one thread; the same command resumes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from train.data.dataset import DataSet, load_dataset, part_of
from train.data.workers import LocalWorkers
from train.evaluation.summary import summarise_ecgs
from train.reproduce.frameworks import FRAMEWORKS, measure
from train.training.command_line import find_preset
from train.training.config import TrainConfig, load_train_config
from train.training.jobs import run_jobs

NETWORKS = {
    "compact": ("compact", "radarODE-MTL"),
    "reference": ("reference_short", "radarODE-MTL"),
    "MMECG": ("mmecg", "MMECG"),
    "radarODE": ("radarode", "radarODE"),
}
"""Preset and framework of each row."""
EPOCHS = 3
FIRST_STEPS = 2
PROBE_SHARE = 0.03
"""A probe has at least so much of the time more than the one before: some windows are prepared in advance."""
COLUMNS = {
    "trained_min": ("minutes", 1, 1),
    "windows": ("windows", 1, 0),
    "long_pcc": ("PCC %", 100, 1),
    "long_rmse": ("RMSE", 1, 3),
    "ecg_r_timing_ms_median": ("R ms", 1, 1),
    "ecg_mdr": ("missed beats %", 100, 1),
    "ecg_hr_error_bpm_median": ("heart rate error, bpm", 1, 1),
}


def with_steps(config: TrainConfig, epochs: int, steps: int) -> TrainConfig:
    """Returns the settings with another number of epochs and of steps in each."""
    training = msgspec.structs.replace(config.training, epochs=epochs, steps=steps, patience=epochs)
    return msgspec.structs.replace(config, training=training)


def steps_in(minutes: float, framework: str, config: TrainConfig, data: DataSet) -> int:
    """Returns how many steps an epoch can have, so that EPOCHS take this time; at least one."""

    def taken_s(steps: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            began_s = time.monotonic()
            FRAMEWORKS[framework].train(with_steps(config, 1, steps), data, Path(folder))
            return time.monotonic() - began_s

    steps, few_s = FIRST_STEPS, taken_s(FIRST_STEPS)
    while (many_s := taken_s(4 * steps)) - few_s < PROBE_SHARE * 60 * minutes:
        steps, few_s = 4 * steps, many_s
    step_s = (many_s - few_s) / (3 * steps)
    besides_s = few_s - steps * step_s
    return max(1, int((60 * minutes / EPOCHS - besides_s) / step_s))


def train_and_measure(name: str, minutes: float, data: DataSet, folder: Path) -> dict[str, Any]:
    """Trains a network for about this time; returns its row of the table."""
    preset, framework = NETWORKS[name]
    config = load_train_config(find_preset(preset))
    config = with_steps(config, EPOCHS, steps_in(minutes, framework, config, data))
    began_s = time.monotonic()
    FRAMEWORKS[framework].train(config, data, folder)
    trained_min = (time.monotonic() - began_s) / 60
    row = summarise_ecgs(measure(framework, folder, part_of(data, "test")))
    training = config.training
    return {"trained_min": trained_min, "windows": training.epochs * training.steps * training.batch, **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="TOML")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    data, out = load_dataset(args.data), args.out.resolve()
    jobs = {out / f"{name}.json": partial(train_and_measure, name, args.minutes, data, out / name) for name in NETWORKS}
    for found in run_jobs(jobs, LocalWorkers()):
        rows = {path.stem: result for path, result in found.items()}
    print("| | " + " | ".join(title for title, _, _ in COLUMNS.values()) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for name, row in rows.items():
        cells = [
            "--" if row[key] is None else f"{factor * row[key]:.{digits}f}"
            for key, (_, factor, digits) in COLUMNS.items()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
