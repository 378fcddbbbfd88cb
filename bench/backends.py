"""Time of one window of 50 points on one core: our network in ONNX Runtime, ours in torch, the reference in torch.

    pip install -e '.[export]' && python bench/backends.py

Each from a spectrogram to probabilities, as the runtime calls it. The contenders take turns, so that a busy machine is
unfair to all of them alike; the median of ROUNDS turns counts. Time does not depend on the weights, so these are fresh.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import onnxruntime
import torch

from edge.backends.base import Predictor
from edge.backends.onnxrt import OnnxRuntime
from edge.spec import SST_BINS, SST_COLUMNS
from export.bundle import write
from train.checkpoint import Checkpoint
from train.config import Data, TrainConfig, Training
from train.model import NETWORKS
from train.predict import TorchPredictor

POINTS = 50
ROUNDS = 40


def fresh_bundle(folder: Path) -> OnnxRuntime:
    state = {"network": NETWORKS["compact"]().state_dict(), "history": []}
    origin = {"data": "none", "train": (), "validation": (), "test": (), "radarecg": "", "torch": ""}
    return OnnxRuntime(write(Checkpoint(TrainConfig(Data("none"), Training(1, 1)), state, origin), folder))


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        contenders: dict[str, Predictor] = {
            "compact, ONNX Runtime": fresh_bundle(Path(folder) / "compact"),
            "compact, torch eager": TorchPredictor(NETWORKS["compact"]()),
            "reference, torch eager": TorchPredictor(NETWORKS["reference"]()),
        }
    window = np.random.default_rng(0).random((1, POINTS, SST_BINS, SST_COLUMNS), np.float32)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(ROUNDS + 1):
        for name, predict in contenders.items():
            predict(window)  # the one before has emptied the processor's caches
            start = time.perf_counter()
            predict(window)
            if turn:  # the first turn allocates
                times[name].append((time.perf_counter() - start) * 1e3)
        print(f"\r{turn}/{ROUNDS}", end="", file=sys.stderr, flush=True)
    median = {name: float(np.median(each)) for name, each in times.items()}
    ours, eager, reference = median.values()
    print(f"\r{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, ", end="")
    print(f"onnxruntime {onnxruntime.__version__}; {POINTS} points, one window, medians of {ROUNDS} turns\n")
    print(f"{'':24s} {'ms':>8s} {'reference / it':>15s}")
    for name, each in median.items():
        print(f"{name:24s} {each:8.2f} {reference / each:15.1f}")
    print(
        json.dumps(
            {
                "compact_ort_ms": round(ours, 3),
                "compact_eager_ms": round(eager, 3),
                "reference_eager_ms": round(reference, 3),
                "ratio_vs_compact_eager": round(eager / ours, 2),
                "ratio_vs_reference_eager": round(reference / ours, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
