"""Computes the spectrograms of whole recordings, as the device does, and caches them in files.

    if __name__ == "__main__":  # the workers import the script
        paths = write_spectrograms({"subject-01": rcg}, Path("spectrograms"))
        windows = np.load(paths["subject-01"], mmap_mode="r")

The transform is `edge.dsp.sst.transform.spectrograms`, as on the device. A file's name consists of the recording's
name and a digest of its samples and of the SST's definition. Therefore files written before an interrupt are reused,
and changed recordings are computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import Progress

from edge.core.spec import SST_BINS, SST_COLUMNS, SST_DEFAULT, SST_PAST, SST_WINDOW, SstSpec, fingerprint
from edge.core.types import Float32, Float64
from edge.dsp.sst.transform import HOP, spectrograms
from train.data.workers import THIS_MACHINE, Workers


def write_spectrograms(
    recordings: Mapping[str, Float32 | Float64],
    folder: Path,
    spec: SstSpec = SST_DEFAULT,
    workers: Workers = THIS_MACHINE,
) -> dict[str, Path]:
    """Write the spectrograms of each RCG [P, n] to a file in `folder`, float16 [windows, P, 71, 120]; return the paths.

    Window k covers the samples of `window_samples(k)`; a channel with non-finite samples is NaN. Displays its progress.
    After Ctrl-C, finished recordings are kept. `workers` of other machines must share the folder.
    Raises ValueError, before any computation, for a recording shorter than a window or a name that is no file name.
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
    with Progress() as progress:
        task = progress.add_task("spectrograms", total=len(paths), completed=len(paths) - len(missing))
        tasks = {name: partial(_write, paths[name].resolve(), recordings[name], spec) for name in missing}
        for _ in workers.run(tasks):
            progress.advance(task)
    return paths


def count_windows(samples: int, spec: SstSpec = SST_DEFAULT) -> int:
    """Return the number of windows in a recording with this number of samples."""
    return max(0, 1 + (samples - spec.segment) // HOP)


def window_samples(window: int) -> slice:
    """Return the samples of the recording that a window covers, in the order of its columns."""
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
