"""Measures how fast recordings are converted to training windows on disk, and how much space these need.

    pip install -e '.[train]' && python bench/spectrograms.py [RECORDINGS [SECONDS]]

Recordings of 50 channels (noise, because the transform's time does not depend on its input) go through
`write_spectrograms` with one process and with one per core; the start of the processes is included, as in use. The last
row is the time to read windows in random order from the mapped files.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from edge.core.spec import RCG_RATE_HZ
from train.data.spectrograms import count_windows, write_spectrograms
from train.data.workers import LocalWorkers

CHANNELS = 50
MMECG_S = 91 * 177.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=int, nargs="?", default=8)
    parser.add_argument("seconds", type=int, nargs="?", default=60)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    shape = (CHANNELS, args.seconds * RCG_RATE_HZ)
    recordings = {str(k): rng.standard_normal(shape).astype(np.float32) for k in range(args.recordings)}
    windows = args.recordings * count_windows(shape[1])
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        for processes in sorted({1, os.cpu_count() or 1}):
            begun_s = time.perf_counter()
            paths = write_spectrograms(recordings, Path(folder) / str(processes), workers=LocalWorkers(processes))
            rates[f"written, {processes} processes"] = windows / (time.perf_counter() - begun_s)
        mb = sum(path.stat().st_size for path in paths.values()) / 1e6
        mapped = [np.load(path, mmap_mode="r") for path in paths.values()]
        begun_s = time.perf_counter()
        for k in rng.permutation(windows):
            mapped[k % len(mapped)][k // len(mapped)].astype(np.float32)
        rates["read back at random"] = windows / (time.perf_counter() - begun_s)

    mb_per_minute = mb / (args.recordings * args.seconds / 60)
    mmecg_gb = mb_per_minute * MMECG_S / 60 / 1e3
    print(f"{args.recordings} recordings of {args.seconds} s, {CHANNELS} channels, {windows} windows")
    for name, rate in rates.items():
        print(f"{name:<24} {rate:>9.1f} windows per second (one window is one second of recording)")
    print(f"{mb_per_minute:.1f} MB per minute; all of MMECG (91 trials of 177.5 s): {mmecg_gb:.1f} GB")
    figures = {name: round(rate, 1) for name, rate in rates.items()}
    print(json.dumps({"windows_per_s": figures, "mb_per_minute": round(mb_per_minute, 1)}))


if __name__ == "__main__":
    main()
