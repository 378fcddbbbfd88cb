"""Long work in parts: each job has a file with its result, and finished jobs are not repeated."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from train.data.workers import Workers
from train.training.cached_work import cached_json

Result = dict[str, Any]
Job = Callable[[], Result]


def run_jobs(jobs: Mapping[Path, Job], workers: Workers) -> Iterator[dict[Path, Result]]:
    """Run the jobs whose JSON file does not exist; yield all results so far, at first and after each job.

    Each result is written when it arrives, by this process, so that an interrupted command can be resumed. Prints the
    progress, with the time that is left. The results are in the order of the jobs.
    """
    missing = {path: job for path, job in jobs.items() if not path.exists()}
    if len(missing) < len(jobs):
        yield _finished(jobs)
    began = time.monotonic()
    for done, (path, result) in enumerate(workers.run(missing, on_gpu=True), start=1):
        cached_json(path, partial(dict, result))
        left_min = (len(missing) - done) * (time.monotonic() - began) / done / 60
        print(f"{path.stem}: {done} of {len(missing)}, about {left_min:.0f} min left", flush=True)
        yield _finished(jobs)


def run_grid(
    jobs: Mapping[tuple[str, int], Job], folder: Path, workers: Workers, prefix: str = ""
) -> Iterator[dict[str, list[Result]]]:
    """Run jobs of a table's rows and their seeds as `run_jobs` does; yield each row's results, in the rows' order."""
    paths = {cell: folder / f"{prefix}{cell[0]}-seed{cell[1]}.json" for cell in jobs}
    for found in run_jobs({paths[cell]: job for cell, job in jobs.items()}, workers):
        rows: dict[str, list[Result]] = {row: [] for row, _ in jobs}
        for (row, _), path in paths.items():
            rows[row] += [found[path]] if path in found else []
        yield {row: results for row, results in rows.items() if results}


def _finished(jobs: Mapping[Path, Job]) -> dict[Path, Result]:
    return {path: json.loads(path.read_text()) for path in jobs if path.exists()}
