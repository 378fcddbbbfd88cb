"""The paper's Table I: every strategy on the same network and data, and a separate network for each task."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

from train.evaluation.summary import Row
from train.reproduce.paper_values import TABLE_I
from train.reproduce.study import Study
from train.training.strategy_table import BASELINE, figures_of, table


def table_one(study: Study) -> Iterator[str]:
    """Yield the table after each network, once the baseline has one."""
    printed = {name: (*values, change) for name, (values, change) in TABLE_I.items()}
    about = study.heading(seeds=study.seeds)
    heading = (
        f"{about} Figures of single windows; mean ± standard deviation over seeds. Delta_m against the mean of "
        f"{BASELINE}. The paper's values are in brackets; they are of MMECG.\n\n"
    )
    found: dict[str, list[Row]] = {}
    for seed in range(study.seeds):
        for row in TABLE_I:
            name, config = f"strategy-{row}-seed{seed + 1}", study.seeded(seed)
            networks = study.folder / "networks" / name
            found.setdefault(row, []).append(study.job(name, partial(figures_of, row, config, study.data, networks)))
            shutil.rmtree(networks, ignore_errors=True)  # the checkpoints are no longer needed
            yield heading + table(found, printed)
