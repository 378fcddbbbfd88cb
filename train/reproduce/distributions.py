"""The paper's Figures 6 and 7: distributions over all trials, each tested in the fold that did not train on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np

from edge.core.errors import InputError
from train.data.dataset import DataSet, Recording, part_of
from train.evaluation.summary import summarise_ecgs
from train.reproduce.frameworks import FRAMEWORKS, measure, network_folder, train_networks
from train.reproduce.paper_values import MEDIANS
from train.reproduce.study import Study

SHAPE = {
    "ecg_mdr": ("missed beats, %", 100),
    "ecg_hr_error_bpm_median": ("heart rate error, bpm", 1),
    "long_rmse": ("RMSE", 1),
    "long_pcc": ("PCC, %", 100),
}
"""Panels of Figure 6: key in a trial's row, title, factor."""
PEAKS = {f"{key}_timing_ms_median": (f"{key[-1].upper()} timing error, ms", 1) for key in ("q", "ecg_r", "s", "t")}
"""Panels of Figure 7; each trial's median."""
MEDIAN_COLUMNS = (*SHAPE, "ecg_r_timing_ms_median")
"""Columns of MEDIANS."""


def figure_six(study: Study) -> Iterator[str]:
    """Draw the distributions of missed beats, heart rate, RMSE and PCC over trials."""
    yield from _figure(study, "fig6", SHAPE)


def figure_seven(study: Study) -> Iterator[str]:
    """Draw the distributions of the timing errors of Q, R, S and T over trials."""
    yield from _figure(study, "fig7", PEAKS)


def out_of_fold(data: DataSet, folds: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Merge the rows of the trials that each fold tested. Raises InputError unless every trial was tested once."""
    rows = [row for fold in folds for row in fold]
    tested = [str(row["trial"]) for row in rows]
    for recording in data.recordings:
        if (count := tested.count(recording.trial.name)) != 1:
            raise InputError(
                f"{data.name}: trial {recording.trial.name} is in the test part of {count} folds, not of one; "
                'choose a split that tests every subject once: kind = "k-fold" or "leave-subject-out"'
            )
    return rows


def _trial_rows(study: Study) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Yield the rows of all trials by network; after each network that is finished, in the order of FRAMEWORKS."""
    train_networks(study, len(study.data.folds))
    keys = {name: [f"trials-{name}-fold{fold + 1}" for fold in range(len(study.data.folds))] for name in FRAMEWORKS}
    jobs = {
        key: partial(_measure_fold, name, network_folder(study, name, fold), part_of(study.data, "test", fold))
        for name in FRAMEWORKS
        for fold, key in enumerate(keys[name])
    }
    count = 0
    for found in study.run(jobs):
        finished = [name for name in FRAMEWORKS if all(key in found for key in keys[name])]
        if len(finished) > count:
            count = len(finished)
            yield {name: out_of_fold(study.data, [found[key]["trials"] for key in keys[name]]) for name in finished}


def _measure_fold(name: str, folder: Path, recordings: Sequence[Recording]) -> dict[str, Any]:
    figures = measure(name, folder, recordings)
    return {
        "trials": [
            {"trial": recording.trial.name, "subject": recording.trial.subject, **summarise_ecgs([found])}
            for recording, found in zip(recordings, figures, strict=True)
        ]
    }


def _figure(study: Study, file: str, panels: dict[str, tuple[str, int]]) -> Iterator[str]:
    for rows in _trial_rows(study):
        figure = matplotlib.figure.Figure(figsize=(11, 3.2), layout="constrained")
        for panel, (key, (title, factor)) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
            for each, found in rows.items():
                values = factor * np.array([row[key] for row in found if row[key] is not None])
                if len(values):
                    panel.ecdf(values, label=each)
            panel.set(xlabel=title, ylim=(0, 1.02))
            panel.grid(alpha=0.3)
        panel.legend(loc="lower right", fontsize=8)
        figure.savefig(study.folder / f"{file}.png", dpi=110)
        yield _text(study, file, panels, rows)


def _text(study: Study, file: str, panels: dict[str, tuple[str, int]], rows: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        f"{study.heading(all_folds=True)} Medians over trials; a trial without the figure is left out. The "
        "paper's medians are in brackets; they are of MMECG.\n",
        "| | " + " | ".join(title for title, _ in panels.values()) + " |",
        "|---" * (len(panels) + 1) + "|",
    ]
    for name, found in rows.items():
        printed = dict(zip(MEDIAN_COLUMNS, MEDIANS[name], strict=True)) if name in MEDIANS else {}
        cells = []
        for key, (_, factor) in panels.items():
            values = [factor * row[key] for row in found if row[key] is not None]
            shown = f"{np.median(values):.3g}" if values else "--"
            cells.append(shown + (f" ({printed[key]:g})" if key in printed else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + f"\n\n![{file}]({study.folder.name}/{file}.png)"
