"""Whole recordings to the windows a device would have computed, on disk, many recordings at once.

    from train.spectrograms import write_spectrograms
    paths = write_spectrograms({"subject-01": rcg}, Path("spectrograms"))
    windows = np.load(paths["subject-01"], mmap_mode="r")

The transform is `edge.dsp.sst.spectrograms`, the device's own. What was written before a stop is kept and not computed
again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.progress import Progress

from edge.dsp.sst import HOP, spectrograms
from edge.frames import Float64
from edge.spec import SST_BINS, SST_COLUMNS, SST_DEFAULT, SST_PAST, SST_WINDOW, SstSpec


def write_spectrograms(
    recordings: Mapping[str, Float64],
    folder: Path,
    spec: SstSpec = SST_DEFAULT,
    processes: int | None = None,
) -> dict[str, Path]:
    """RCG [P, n] of each name to FOLDER/NAME.npy: float16 [windows, P, 71, 120]; returns where they are.

    Window k belongs to the samples of `window_samples(k)`. Shows its progress; `processes` None: one a core.
    Raises ValueError for a recording too short to hold a window, before anything is computed.
    """
    for name, rcg in recordings.items():
        if count_windows(rcg.shape[1], spec) < 1:
            raise ValueError(f"{name}: {rcg.shape[1]} samples hold no window; {spec.segment} are needed")
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.npy" for name in recordings}
    missing = [name for name in recordings if not paths[name].exists()]
    # Not forked: the parent may have threads of torch or of the transform.
    with (
        Progress() as progress,
        ProcessPoolExecutor(processes or os.cpu_count(), mp_context=get_context("spawn")) as pool,
    ):
        task = progress.add_task("spectrograms", total=len(recordings), completed=len(recordings) - len(missing))
        for done in as_completed([pool.submit(_write, paths[name], recordings[name], spec) for name in missing]):
            done.result()
            progress.advance(task)
    return paths


def count_windows(samples: int, spec: SstSpec = SST_DEFAULT) -> int:
    """How many windows a recording of so many samples has."""
    return max(0, 1 + (samples - spec.segment) // HOP)


def window_samples(window: int) -> slice:
    """The samples of the recording that a window shows, in the order of its columns."""
    start = SST_PAST + window * HOP
    return slice(start, start + SST_WINDOW)


def _write(path: Path, rcg: Float64, spec: SstSpec) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    shape = (count_windows(rcg.shape[1], spec), len(rcg), SST_BINS, SST_COLUMNS)
    file = np.lib.format.open_memmap(part, "w+", np.float16, shape)
    for number, (_, window) in enumerate(spectrograms(rcg, spec)):
        file[number] = window.values
    file.flush()
    part.replace(path)
