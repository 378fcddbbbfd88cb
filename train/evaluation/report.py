"""Evaluates a network on recordings with a known ECG, and writes tables, pictures and figures.json."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.progress import track

from edge.core.errors import InputError
from train.data.dataset import Recording
from train.evaluation.delta_m import NOISE_TASKS, TABLE_ONE_TASKS, delta_m
from train.evaluation.figures import TrialFigures, examine
from train.evaluation.long_ecg import Reconstructor
from train.evaluation.noise_tests import TESTS, add_noise
from train.evaluation.pictures import draw_distributions, draw_reconstructions
from train.evaluation.reconstruct import Reconstruction
from train.evaluation.summary import (
    LONG_TERM_METRICS,
    WINDOW_METRICS,
    Row,
    grouped,
    markdown,
    metrics,
    summarise,
    trial_rows,
)

MAX_DRAWN = 6


def evaluate(
    predict: Reconstructor, recordings: Iterable[Recording], test: str | None = None
) -> tuple[list[TrialFigures], list[Reconstruction]]:
    """Evaluate every recording, with the noise of the row `test` of TESTS if given; displays its progress."""
    figures, reconstructions = [], []
    for recording in track(list(recordings), test or "evaluating"):
        trial = add_noise(recording.trial, test) if test else recording.trial
        of_trial, reconstruction = examine(predict, trial, recording.labels)
        figures.append(of_trial)
        reconstructions.append(reconstruction)
    return figures, reconstructions


NOISE_DELTAS = {
    "delta_m": (WINDOW_METRICS, NOISE_TASKS),
    "delta_m_long": (LONG_TERM_METRICS, NOISE_TASKS),
    "delta_m_tasks": (WINDOW_METRICS, TABLE_ONE_TASKS),
}
"""Changes of a noise test in %: the paper's form (the plain mean of four metrics) of windows and of the long-term ECG;
and the form of Table I, whose tasks include PPI."""


def noise_table(predict: Reconstructor, recordings: Sequence[Recording], clean: Row) -> dict[str, Row]:
    """Return one row per noise test, each with NOISE_DELTAS, the changes from the network's figures without noise.

    A network trained with `augment` has been trained on noise of these kinds, made by the same functions; the paper's
    network had not.
    """
    rows = {}
    for test in TESTS:
        row = summarise(evaluate(predict, recordings, test)[0])
        rows[test] = {**row, **_noise_changes(row, clean)}
    return rows


def report(
    predict: Reconstructor, recordings: Sequence[Recording], data: str, out: Path | None, noise: bool
) -> dict[str, object]:
    """Print the tables and return all figures; write pictures and figures.json to `out` if given.

    `data` is the name of the recordings in figures.json. Raises InputError if there are no recordings.
    """
    if not recordings:
        raise InputError("nothing to evaluate: the data set has no recording in this part")
    figures, reconstructions = evaluate(predict, recordings)
    overall = summarise(figures)
    rows = {"all": overall, **grouped(figures, lambda trial: trial.status)}
    rows |= {f"subject {name}": row for name, row in grouped(figures, lambda trial: trial.subject).items()}
    print(markdown(rows))
    noisy = noise_table(predict, recordings, overall) if noise else {}
    if noisy:
        print()
        print("Delta_m: of windows, of the long-term ECG, of the three tasks")
        print(markdown({_heading(name, row): row for name, row in noisy.items()}))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        step = max(1, len(recordings) // MAX_DRAWN)
        pairs = list(zip(recordings, reconstructions, strict=True))
        draw_reconstructions(pairs[::step][:MAX_DRAWN], out / "reconstructions.png")
        draw_distributions(figures, out / "distributions.png")
        content = {"data": data, "rows": rows, "noise": noisy, "trials": trial_rows(figures)}
        (out / "figures.json").write_text(json.dumps(content, indent=1))
    return {**overall, "noise": {name: row["delta_m"] for name, row in noisy.items()}} if noisy else {**overall}


def _noise_changes(row: Row, clean: Row) -> Row:
    changes = {
        name: delta_m(metrics(row, keys), metrics(clean, keys), tasks) for name, (keys, tasks) in NOISE_DELTAS.items()
    }
    return {name: None if math.isnan(change) else round(change, 2) for name, change in changes.items()}


def _heading(name: str, row: Row) -> str:
    changes = (row[key] for key in NOISE_DELTAS)
    return f"{name}: Delta_m {', '.join('--' if change is None else f'{change:+.1f} %' for change in changes)}"
