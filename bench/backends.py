"""Measures the time per window of 50 points on the CPU, for our network and the reference, on every CPU backend.

    pip install -e '.[export]' && python bench/backends.py

Each call converts a spectrogram to probabilities, as in the runtime, on one core and on two. On one core, the thread's
CPU time is measured, which equals the wall time on an idle machine; on two, the wall time. The contenders take turns,
so that other load affects all of them equally; the result is the median of ROUNDS turns. The time does not depend on
the weights, so they are random. int8 is computed in float32 on a CPU (`edge.inference.backends.onnxrt`).
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from copy import deepcopy
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import onnxruntime
import torch

from edge.core.spec import SST_BINS, SST_COLUMNS
from edge.core.types import Float32
from edge.inference.backends.base import Predictor
from edge.inference.backends.onnxrt import OnnxRuntime
from export.bundle import in_memory
from export.precision import in_precision
from train.model import NETWORKS, Network
from train.training.checkpoint import Checkpoint
from train.training.config import Data, TrainConfig, Training
from train.training.predictor import TorchPredictor

POINTS = 50
ROUNDS = 20
THREADS = (1, 2)


def contenders(model: str, window: Float32) -> dict[tuple[str, int], Predictor]:
    """Returns the calls by backend and threads. Torch has one global number of threads, set before each call."""
    network = NETWORKS[model]().eval()
    origin = {"data": "none", "train": (), "validation": (), "test": (), "radarecg": "", "torch": ""}
    state = {"network": network.state_dict(), "history": []}
    made = in_memory(Checkpoint(TrainConfig(Data("none"), Training(1, 1), model), state, origin), Path("fresh"))
    small = in_precision(made, "int8", [window])
    compiled = TorchPredictor(network_compiled(network))
    ways: dict[tuple[str, int], Predictor] = {}
    for threads in THREADS:
        ways[f"{model}, torch eager", threads] = TorchPredictor(network)
        ways[f"{model}, torch.compile", threads] = compiled
        ways[f"{model}, ONNX Runtime fp32", threads] = OnnxRuntime(made, threads)
        ways[f"{model}, ONNX Runtime int8", threads] = OnnxRuntime(small, threads)
    return ways


def network_compiled(network: Network) -> Network:
    copy = deepcopy(network)
    copy.compile()
    return copy


def main() -> None:
    window = np.random.default_rng(0).random((1, POINTS, SST_BINS, SST_COLUMNS), np.float32)
    ways = {**contenders("compact", window), **contenders("reference", window)}
    times: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    for turn in range(ROUNDS + 1):
        for way, predict in ways.items():
            torch.set_num_threads(way[1])
            predict(window)  # warms the caches that the previous contender used
            clock = time.thread_time if way[1] == 1 else time.perf_counter
            start = clock()
            predict(window)
            if turn:  # the first turn compiles and allocates
                times[way].append((clock() - start) * 1e3)
        print(f"\r{turn}/{ROUNDS}", end="", file=sys.stderr, flush=True)
    median = {way: float(np.median(each)) for way, each in times.items()}
    print(f"\r{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, ", end="")
    print(f"onnxruntime {onnxruntime.__version__}; {POINTS} points, one window, medians of {ROUNDS} turns; ", end="")
    print(f"{os.getloadavg()[0]:.1f} runnable processes on {os.cpu_count()} processors\n")
    eager = median["reference, torch eager", 1]
    print(f"{'':28s}" + "".join(f"{f'{threads} core, ms':>14s} {'reference / it':>15s}" for threads in THREADS))
    for name in dict.fromkeys(name for name, _ in ways):
        cells = [median[name, threads] for threads in THREADS]
        print(f"{name:28s}" + "".join(f"{ms:14.2f} {eager / ms:15.1f}" for ms in cells))
    ours, own = median["compact, ONNX Runtime fp32", 1], median["compact, torch eager", 1]
    print(
        json.dumps(
            {
                "compact_ort_ms": round(ours, 3),
                "compact_ort_int8_ms": round(median["compact, ONNX Runtime int8", 1], 3),
                "compact_eager_ms": round(own, 3),
                "reference_eager_ms": round(eager, 3),
                "ratio_vs_compact_eager": round(own / ours, 2),
                "ratio_vs_reference_eager": round(eager / ours, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
