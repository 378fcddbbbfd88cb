"""The rows of a comparison of strategies: trains the networks of a row, and formats the table (the paper's Table I)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from edge.core.types import Float32, TaskOutputs
from edge.inference.backends.base import Predictor
from train.data.dataset import DataSet, part_of
from train.evaluation.delta_m import delta_m
from train.evaluation.report import evaluate
from train.evaluation.summary import WINDOW_METRICS, Row, metrics, summarise
from train.training.config import Strategy, TrainConfig
from train.training.loop import TASKS
from train.training.predictor import TorchPredictor
from train.training.setup import make_trainer

BASELINE = "stl"
TEMPERATURES = (0.1, 0.5, 1.0, 1.5, 2.0)
FIXED: tuple[list[float], ...] = ([2.0, 0.5, 0.5], [0.5, 2.0, 0.5], [0.5, 0.5, 2.0])
"""Hand-tuned weights that favour one task each; "ew" has equal weights."""
ROWS: dict[str, tuple[Strategy, ...]] = {
    BASELINE: tuple(Strategy("stl", {"task": task}) for task in range(len(TASKS))),
    **{name: (Strategy(name),) for name in ("ew", "uw", "gls", "dwa", "stch")},
    **{f"fixed-{task}": (Strategy("fixed", {"values": weights}),) for task, weights in zip(TASKS, FIXED, strict=True)},
    **{name: (Strategy(name),) for name in ("cagrad", "imtl", "moco", "aligned")},
    **{f"ega-{t:g}": (Strategy("ega", {"temperature": t}),) for t in TEMPERATURES},
    "ega-1-code": (Strategy("ega", {"order": "code"}),),
    "ega-1-representation": (Strategy("ega", alignment="representation"),),
    **{name: (Strategy(name),) for name in ("upgrad", "fairgrad", "config", "dbmtl")},
}
"""Row of the table -> strategies of its networks: one, or one per task for the single-task baseline."""

FIGURES = {
    "rmse": ("RMSE", 1, 3),
    "pcc": ("PCC %", 100, 1),
    "ppi_error_ms": ("PPI ms", 1, 1),
    "r_timing_ms": ("R ms", 1, 1),
    "mdr": ("MDR %", 100, 1),
}
"""Figures of equation 16 in the table: heading, factor, digits."""


class PerTaskEnsemble:
    """Combines single-task networks: the output of each task is that of the network trained for it."""

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        self._predictors = predictors

    def __call__(self, values: Float32) -> list[TaskOutputs]:
        """Return the combined outputs for each of the spectrograms [B, P, 71, 120]."""
        outputs = zip(*(predict(values) for predict in self._predictors), strict=True)
        return [TaskOutputs(ecg.ecg, anchor.anchor, cycle.cycle) for ecg, anchor, cycle in outputs]


def figures_of(row: str, config: TrainConfig, data: DataSet, folder: Path) -> Row:
    """Train the networks of a row in `folder`, evaluate them on the test subjects, and delete the folder."""
    predictors = []
    for number, strategy in enumerate(ROWS[row]):
        trainer = make_trainer(msgspec.structs.replace(config, strategy=strategy), data, folder / str(number))
        trainer.train()
        predictors.append(TorchPredictor(trainer.network))
    predict = PerTaskEnsemble(predictors) if len(predictors) > 1 else predictors[0]
    row_figures = summarise(evaluate(predict, part_of(data, "test", config.data.fold))[0])
    shutil.rmtree(folder, ignore_errors=True)  # the checkpoints are no longer needed
    return row_figures


def table(found: Mapping[str, Sequence[Row]], beside: Mapping[str, Sequence[float]] | None = None) -> str:
    """Format a Markdown table of rows with their seeds: mean ± standard deviation, and Delta_m against the baseline.

    Delta_m is relative to the baseline's mean over seeds, so that the baseline's spread shows the random variation.
    `beside`: published values of a row, in the table's units, which follow in brackets.
    """
    seeds = {name: [metrics(row, WINDOW_METRICS) for row in rows] for name, rows in found.items()}
    baseline = {name: float(np.mean([row[name] for row in seeds[BASELINE]])) for name in FIGURES}
    headings = [heading for heading, _, _ in FIGURES.values()]
    lines = ["| | " + " | ".join([*headings, "Delta_m %"]) + " |", "|---" * (len(headings) + 2) + "|"]
    for name, rows in seeds.items():
        cells = [cell([factor * row[key] for row in rows], digits) for key, (_, factor, digits) in FIGURES.items()]
        cells.append(cell([delta_m(row, baseline) for row in rows], 1))
        published = [f" ({value:g})" for value in (beside or {}).get(name, ())] or [""] * len(cells)
        lines.append(f"| {name} | " + " | ".join(map("".join, zip(cells, published, strict=True))) + " |")
    return "\n".join(lines)


def cell(values: Sequence[float], digits: int) -> str:
    """Format the mean of values and, of several, their standard deviation; -- if one is unknown."""
    mean = float(np.mean(values))
    if np.isnan(mean):
        return "--"
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{mean:.{digits}f}{spread}"
