"""Compares the SST on a GPU with the float64 definition, the device's limits and ssqueezepy's GPU mode.

    pip install -e '.[jetson]' && python bench/sst_gpu.py [--channels 50] [--bandwidth-gb-s 68 --tflop-s 1.3]

All times are from samples in GPU memory to spectrograms in GPU memory, means over many windows between CUDA events.
The limits are the arguments; without them, a measured memory copy, and the clock rate times the number of lanes.
ssqueezepy (0.6.6, with CuPy and torch) uses the same scales, in float32; it computes one column per sample and does not
continue the segment.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from edge.core.errors import InputError
from edge.core.spec import (
    RCG_RATE_HZ,
    SST_AR_ORDER,
    SST_BINS,
    SST_COLUMNS,
    SST_OMEGA0,
    SST_PERIOD,
    SST_SCALES,
    SstSpec,
)
from edge.dsp.frontend.phase import SecondDerivative
from edge.dsp.sst.reference import sst_reference
from edge.dsp.sst.tables import sst_tables
from edge.gpu.sst import CudaSst
from edge.twin.heart import Heart

BATCHES = (1, 64)
LANES = 128  # float32 lanes of a multiprocessor, sm_86 to sm_110


def segments(channels: int, spec: SstSpec) -> np.ndarray:
    t = np.arange(4000) / RCG_RATE_HZ
    noise = np.random.default_rng(1).standard_normal((channels, len(t)))
    motion = Heart(seed=4).displacement_mm(t) + 0.002 * noise
    return SecondDerivative(RCG_RATE_HZ).push(motion, np.ones(len(t), bool))[1][:, -spec.segment :].astype(np.float32)


def seconds(cuda: Any, stream: Any, work: Callable[[], object], repeats: int) -> float:
    for _ in range(3):
        work()
    start, end = cuda.Event(), cuda.Event()
    start.record(stream)
    for _ in range(repeats):
        work()
    end.record(stream)
    end.synchronize()
    return start.time_till(end) / 1e3 / repeats


def flop_a_channel(spec: SstSpec) -> float:
    """Counts each transform as 5 n log2 n."""
    tables = sst_tables(spec)
    band = tables.whole()
    predictor = 2 * (SST_AR_ORDER + 1) * spec.segment + 2 * SST_AR_ORDER * (SST_PERIOD - spec.segment)
    spectrum = 5 * SST_PERIOD * math.log2(SST_PERIOD)
    folded = 8 * len(band.gain)
    transforms = 2 * len(SST_SCALES) * 5 * band.frames_around * math.log2(band.frames_around)
    return predictor + spectrum + folded + transforms + 25 * len(SST_SCALES) * tables.frames


def bytes_a_channel(spec: SstSpec) -> int:
    return 4 * spec.segment + 2 * 8 * (SST_PERIOD // 2) + 4 * SST_BINS * SST_COLUMNS


def limits(cuda: Any, stream: Any, bandwidth_gb_s: float | None, tflop_s: float | None) -> tuple[float, float]:
    """Returns bytes and FLOP per second."""
    size = 256 << 20
    if bandwidth_gb_s is None:
        a, b = cuda.mem_alloc(size), cuda.mem_alloc(size)
        copy_s = seconds(cuda, stream, lambda: cuda.memcpy_dtod_async(a, b, size, stream), 10)
        bandwidth_gb_s = 2 * size / copy_s / 1e9
    if tflop_s is None:
        device = cuda.Context.get_device()
        tflop_s = 2 * LANES * device.MULTIPROCESSOR_COUNT * device.CLOCK_RATE * 1e3 / 1e12
    return bandwidth_gb_s * 1e9, tflop_s * 1e12


def ssqueezepy_s(samples: np.ndarray) -> float | None:
    """Returns seconds per call of ssqueezepy's GPU mode, or None if it is not installed."""
    os.environ["SSQ_GPU"] = "1"
    try:
        import cupy  # noqa: F401
        import torch
        from ssqueezepy import Wavelet, ssq_cwt
    except ImportError as error:
        print(f"ssqueezepy's GPU mode is not available: {error}")
        return None
    x, scales = torch.as_tensor(samples, device="cuda"), np.array(SST_SCALES, np.float32)
    wavelet = Wavelet(("morlet", {"mu": SST_OMEGA0}))
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    try:
        for repeat in range(8):
            if repeat == 3:
                start.record()
            ssq_cwt(x, wavelet, scales=scales, fs=RCG_RATE_HZ)
    except torch.cuda.OutOfMemoryError:
        print(f"ssqueezepy needs more than the GPU's memory for {len(samples)} channels")
        return None
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=50)
    parser.add_argument("--frame-rate-hz", type=int, choices=(30, 60), default=60)
    parser.add_argument("--bandwidth-gb-s", type=float)
    parser.add_argument("--tflop-s", type=float)
    arguments = parser.parse_args()
    spec = SstSpec(arguments.frame_rate_hz)
    window = segments(arguments.channels, spec)
    try:
        got = CudaSst(arguments.channels, spec)(window)
    except InputError as error:
        sys.exit(str(error))
    import pycuda.driver as cuda

    expected = [sst_reference(samples.astype(float), spec)[0] for samples in window]
    correlation = min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(got.values, expected, strict=True))
    other = float((np.abs(got.values - expected) > 1e-4).mean())
    name = cuda.Context.get_device().name()
    result: dict[str, object] = {"device": name, "channels": arguments.channels, "frame_rate_hz": spec.frame_rate_hz}
    result |= {"correlation": float(correlation), "cells_in_another_bin": other}
    print(f"{name}: correlation with the definition at least {correlation:.7f}, {other:.3%} of cells differ")

    stream = cuda.Stream()
    bandwidth, arithmetic = limits(cuda, stream, arguments.bandwidth_gb_s, arguments.tflop_s)
    memory_s = arguments.channels * bytes_a_channel(spec) / bandwidth
    arithmetic_s = arguments.channels * flop_a_channel(spec) / arithmetic
    print(f"limits per window: memory {memory_s * 1e6:.1f} us, arithmetic {arithmetic_s * 1e6:.1f} us")
    print("windows at once us per window   share of the limit   ssqueezepy us   ratio")
    for batch in BATCHES:
        samples = np.tile(window, (batch, 1))
        transform = CudaSst(len(samples), spec)
        segment, values = cuda.to_device(samples), cuda.mem_alloc(4 * len(samples) * SST_BINS * SST_COLUMNS)
        scale = cuda.mem_alloc(4 * len(samples))
        enqueue = lambda: transform.enqueue(segment, values, scale, stream)  # noqa: B023, E731
        ours_s = seconds(cuda, stream, enqueue, 1 + 200 // batch) / batch
        whole_s = ssqueezepy_s(samples)
        theirs_s = math.nan if whole_s is None else whole_s / batch
        share, ratio = max(memory_s, arithmetic_s) / ours_s, theirs_s / ours_s
        print(f"{batch:>15} {ours_s * 1e6:>13.1f} {share:>20.1%} {theirs_s * 1e6:>15.1f} {ratio:>7.1f}")
        suffix = "" if batch == 1 else f"_batch{batch}"
        result |= {f"us_a_window{suffix}": ours_s * 1e6, f"share_of_limit{suffix}": share}
        result[f"ratio_vs_ssqueezepy_gpu{suffix}"] = None if whole_s is None else ratio
    print(json.dumps(result))


if __name__ == "__main__":
    main()
