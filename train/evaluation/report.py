"""Evaluates a network on recordings with a known ECG, and writes tables, pictures and figures.json."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.progress import track

from edge.core.errors import InputError
from train.data.dataset import Recording
from train.evaluation.figures import TrialFigures, examine
from train.evaluation.long_ecg import Reconstructor
from train.evaluation.metrics import delta_m
from train.evaluation.noise_tests import TESTS, add_noise
from train.evaluation.pictures import draw_distributions, draw_reconstructions
from train.evaluation.reconstruct import Reconstruction
from train.evaluation.summary import Row, grouped, markdown, summarise, table_one

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


def noise_table(predict: Reconstructor, recordings: Sequence[Recording], clean: Row) -> dict[str, Row]:
    """Return one row per noise test, each with `delta_m`: the change in % from the network's figures without noise.

    A network trained with `augment` has been trained on noise of these kinds, made by the same functions; the paper's
    network had not.
    """
    rows = {}
    for test in TESTS:
        row = summarise(evaluate(predict, recordings, test)[0])
        change = delta_m(table_one(row), table_one(clean))
        rows[test] = {**row, "delta_m": None if math.isnan(change) else round(change, 2)}
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
        print(markdown({f"{name}: Delta_m {_change(row['delta_m'])}": row for name, row in noisy.items()}))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        step = max(1, len(recordings) // MAX_DRAWN)
        pairs = list(zip(recordings, reconstructions, strict=True))
        draw_reconstructions(pairs[::step][:MAX_DRAWN], out / "reconstructions.png")
        draw_distributions(figures, out / "distributions.png")
        (out / "figures.json").write_text(json.dumps({"data": data, "rows": rows, "noise": noisy}, indent=1))
    return {**overall, "noise": {name: row["delta_m"] for name, row in noisy.items()}} if noisy else {**overall}


def _change(delta: float | None) -> str:
    return "--" if delta is None else f"{delta:+.1f} %"
