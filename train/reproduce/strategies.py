"""The paper's Table I: every strategy on the same network and data, and a separate network for each task."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from train.reproduce.paper_values import TABLE_I
from train.reproduce.study import Study
from train.training.jobs import run_grid
from train.training.strategy_table import BASELINE, figures_of, table


def table_one(study: Study) -> Iterator[str]:
    """Yield the table after each network, once the baseline has one."""
    printed = {name: (*values, change) for name, (values, change) in TABLE_I.items()}
    about = study.heading(seeds=study.seeds)
    heading = (
        f"{about} Figures of single windows; mean ± standard deviation over seeds. Delta_m against the mean of "
        f"{BASELINE}. The paper's values are in brackets; they are of MMECG.\n\n"
    )
    jobs = {
        (row, seed + 1): partial(figures_of, row, study.seeded(seed), study.data, study.networks / f"{row}-{seed + 1}")
        for seed in range(study.seeds)
        for row in TABLE_I
    }
    for found in run_grid(jobs, study.folder, study.workers, "strategy-"):
        if BASELINE in found:
            yield heading + table(found, printed)
