"""Whole recordings to the windows a device would have computed, on disk, many recordings at once.

    if __name__ == "__main__":  # the workers import the script
        paths = write_spectrograms({"subject-01": rcg}, Path("spectrograms"))
        windows = np.load(paths["subject-01"], mmap_mode="r")

The transform is `edge.dsp.sst.transform.spectrograms`, the device's own. A file's name says what is in it: the
recording's name
and a digest of its samples and of the SST's definition. So what was written before a stop is kept and not computed
again, and what has changed is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import as_completed
from pathlib import Path

import numpy as np
from rich.progress import Progress

from edge.core.spec import SST_BINS, SST_COLUMNS, SST_DEFAULT, SST_PAST, SST_WINDOW, SstSpec, fingerprint
from edge.core.types import Float32, Float64
from edge.dsp.sst.transform import HOP, spectrograms
from train.data.workers import worker_pool


def write_spectrograms(
    recordings: Mapping[str, Float32 | Float64],
    folder: Path,
    spec: SstSpec = SST_DEFAULT,
    processes: int | None = None,
) -> dict[str, Path]:
    """RCG [P, n] of each name to a file in `folder`: float16 [windows, P, 71, 120]; returns where they are.

    Window k shows the samples of `window_samples(k)`; a channel that was not finite in it is NaN. Shows its progress;
    `processes` None: one a core. Ctrl-C waits for the recordings under way and keeps them.
    Raises ValueError, before anything is computed, for a recording that holds no window or a name that is no file's.
    """
    paths = {}
    for name, rcg in recordings.items():
        if Path(name).name != name:
            raise ValueError(f"{name!r} cannot be a file's name")
        if rcg.ndim != 2 or count_windows(rcg.shape[1], spec) < 1:
            raise ValueError(f"{name}: RCG {rcg.shape} holds no window; [channels, {spec.segment} or more] is needed")
        paths[name] = folder / f"{name}-{_digest(rcg, spec)}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in paths if not paths[name].exists()]
    with Progress() as progress, worker_pool(processes) as pool:
        task = progress.add_task("spectrograms", total=len(paths), completed=len(paths) - len(missing))
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


def _digest(rcg: Float32 | Float64, spec: SstSpec) -> str:
    meaning = f"{fingerprint(spec)} {rcg.shape} {rcg.dtype}"
    return hashlib.blake2b(meaning.encode() + rcg.tobytes(), digest_size=8).hexdigest()


def _write(path: Path, rcg: Float32 | Float64, spec: SstSpec) -> None:
    part = path.with_suffix(".part")
    shape = (count_windows(rcg.shape[1], spec), len(rcg), SST_BINS, SST_COLUMNS)
    windows = np.empty(shape, np.float16)
    for number, (_, window) in enumerate(spectrograms(rcg.astype(np.float64), spec)):
        windows[number] = window.values
        windows[number, np.isnan(window.scale)] = np.nan
    with part.open("wb") as file:
        np.save(file, windows)
    part.replace(path)
