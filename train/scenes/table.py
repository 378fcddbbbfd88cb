"""Trains networks for scenes with several strategies, and formats the measures as the paper's Table II."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from train.data.workers import Workers
from train.evaluation.delta_m import delta_m
from train.scenes.measures import TABLE_TWO_TASKS, TASKS
from train.scenes.training import SceneConfig, SceneData, SceneTrainer
from train.training.cached_work import check_settings
from train.training.config import Strategy
from train.training.jobs import run_grid

BASELINE = "stl"
TEMPERATURES = (0.1, 0.5, 1.0, 1.5, 2.0)
ROWS: dict[str, tuple[Strategy, ...]] = {
    BASELINE: tuple(Strategy("stl", {"task": task}) for task in range(len(TASKS))),
    **{name: (Strategy(name),) for name in ("ew", "uw", "gls", "dwa", "stch", "cagrad", "imtl", "moco", "aligned")},
    **{f"ega-{t:g}": (Strategy("ega", {"temperature": t}),) for t in TEMPERATURES},
}
"""Row of Table II -> strategies of its networks: one, or one per task for the single-task baseline."""

COLUMNS = {
    "miou": ("mIoU %", 100, 2),
    "pixel_accuracy": ("pixel acc. %", 100, 2),
    "absolute_error": ("abs. err. m", 1, 4),
    "relative_error": ("rel. err.", 1, 4),
    "mean_deg": ("mean °", 1, 2),
    "median_deg": ("median °", 1, 2),
    "within_11.25": ("< 11.25° %", 100, 2),
    "within_22.5": ("< 22.5° %", 100, 2),
    "within_30": ("< 30° %", 100, 2),
}
"""Measure -> heading, factor, digits."""

Figures = dict[str, float]


def compare_strategies(
    config: SceneConfig,
    data: SceneData,
    folder: Path,
    rows: Collection[str],
    seeds: int,
    out: Path,
    workers: Workers,
    beside: Mapping[str, Sequence[float]] | None = None,
) -> Iterator[str]:
    """Train the missing rows; yield the table after each, which is also written to `out`.

    `folder` is that of the settings file. `beside`: published values of a row, in the table's units, which follow in
    brackets. Raises InputError, OSError.
    """
    config = msgspec.structs.replace(config, strategy=Strategy())
    check_settings({"settings": msgspec.to_builtins(config), "data": data.name}, out)
    jobs = {
        (row, seed): partial(
            measure_row,
            row,
            msgspec.structs.replace(config, seed=seed),
            data,
            folder.resolve(),
            out.resolve() / f"{row}-seed{seed}",
        )
        for seed in range(config.seed, config.seed + seeds)
        for row in ROWS
        if row in rows
    }
    for found in run_grid(jobs, out, workers):
        text = f"{describe(config, data)}\n\n{format_table(found, beside)}\n"
        (out / "table.md").write_text(text)
        yield text


def measure_row(row: str, config: SceneConfig, data: SceneData, folder: Path, out: Path) -> Figures:
    """Train the networks of a row; return the measures of their last epoch, each task's from the network for it.

    `folder` is that of the settings file. `out`, where the networks are trained, is deleted at the end.
    """
    figures: Figures = {}
    for number, strategy in enumerate(ROWS[row]):
        trainer = SceneTrainer(msgspec.structs.replace(config, strategy=strategy), data, out / str(number), folder)
        trainer.train()
        own = TASKS if len(ROWS[row]) == 1 else list(TASKS)[number : number + 1]
        figures |= {name: trainer.history[-1][name] for task in own for name in TASKS[task]}
    shutil.rmtree(out, ignore_errors=True)  # the checkpoints are no longer needed
    return figures


def format_table(found: dict[str, list[Figures]], beside: Mapping[str, Sequence[float]] | None = None) -> str:
    """Return a Markdown table of rows with their seeds; without the baseline, Delta_m is unknown."""
    headings = [heading for heading, _, _ in COLUMNS.values()]
    lines = ["| | " + " | ".join([*headings, "Delta_m %"]) + " |", "|---" * (len(headings) + 2) + "|"]
    alone = found.get(BASELINE)
    baseline = {name: float(np.mean([figures[name] for figures in alone])) for name in COLUMNS} if alone else None
    for row, seeds in found.items():
        cells = [_cell([factor * own[key] for own in seeds], digits) for key, (_, factor, digits) in COLUMNS.items()]
        change = _cell([delta_m(own, baseline, TABLE_TWO_TASKS) for own in seeds], 2) if baseline else "--"
        published = [f" ({value:g})" for value in (beside or {}).get(row, ())] or [""] * (len(cells) + 1)
        lines.append(f"| {row} | " + " | ".join(map("".join, zip([*cells, change], published, strict=True))) + " |")
    return "\n".join(lines)


def describe(config: SceneConfig, data: SceneData) -> str:
    """Return a sentence about the data, the network and the training."""
    training = config.training
    return (
        f"{data.name}: {len(data.train)} scenes to train on, {len(data.validation)} to measure. Network "
        f"{config.network}, {training.epochs * training.steps} steps of {training.batch} scenes, last epoch. "
        "Mean ± standard deviation over seeds; Delta_m against the mean of stl."
    )


def _cell(values: Sequence[float], digits: int) -> str:
    if np.isnan(values).any():
        return "--"
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"
