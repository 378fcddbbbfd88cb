"""Checks the GPU as the backend tensorrt uses it: `radarecg doctor --gpu`. Each check needs the ones before it.

It needs no radar, no broker and no settings file, so an image can be tested with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edge.core.spec import SST_DEFAULT
from edge.core.types import Float32
from edge.dsp.frontend.point_selection import POINTS
from edge.dsp.sst.transform import Sst
from edge.gpu.context import cuda_context, cuda_driver
from edge.gpu.sst import CudaSst, build_for, compile_for
from edge.inference.loader import MAX_INFERENCE_S, load_network
from edge.runtime.doctor import Finding, Setup, print_findings

MAX_DIFFERENT_FRACTION = 2e-3
"""Two float32 SSTs may put a coefficient at the edge of a bin into different bins; beyond this, the GPU is wrong."""
MAX_DIFFERENCE = 1e-4
WINDOWS_TIMED = 10


@dataclass
class GpuCheck:
    """The GPU under test; `setup` has the settings, if any."""

    setup: Setup
    durations_s: list[float] = field(default_factory=list)

    @cached_property
    def cuda(self) -> Any:
        """Return `pycuda.driver`. Raises InputError without PyCUDA, driver or GPU."""
        return cuda_driver()

    @cached_property
    def segment(self) -> Float32:
        """Return samples for one window of the usual number of points."""
        noise = np.random.default_rng(0).standard_normal((POINTS, SST_DEFAULT.segment))
        return noise.astype(np.float32)


def examine_gpu(setup: Setup) -> int:
    """Run all checks and print one line for each; return 1 if any fails, else 0."""
    check = GpuCheck(setup)
    return print_findings((name, lambda run=run: run(check)) for name, run in CHECKS)


def _driver(check: GpuCheck) -> Finding:
    version, device = check.cuda.get_driver_version(), check.cuda.Context.get_device()
    capability = ".".join(map(str, device.compute_capability()))
    return Finding("ok", f"{device.name()}, compute capability {capability}, CUDA {version // 1000}.{version % 1000 // 10}")


def _resources(check: GpuCheck) -> Finding:
    device = check.cuda.Context.get_device()
    shared_bytes = int(device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
    where = "global" if build_for(SST_DEFAULT, shared_bytes).is_global else "shared"
    free, total = check.cuda.mem_get_info()
    return Finding(
        "ok",
        f"{device.MULTIPROCESSOR_COUNT} multiprocessors, {shared_bytes >> 10} KB shared memory a block (the SST's "
        f"spectrogram is in {where} memory), {free >> 20} of {total >> 20} MB free",
    )


def _compiler(check: GpuCheck) -> Finding:
    shared_bytes = int(check.cuda.Context.get_device().MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
    start_s = time.perf_counter()
    cubin = compile_for(check.cuda, build_for(SST_DEFAULT, shared_bytes), None)
    return Finding("ok", f"NVRTC compiles the SST ({len(cubin) >> 10} KB in {time.perf_counter() - start_s:.1f} s)")


def _sst(check: GpuCheck) -> Finding:
    with cuda_context():
        on_gpu, on_cpu = CudaSst(POINTS)(check.segment), Sst(POINTS)(check.segment)
    different = float((~(np.abs(on_gpu.values - on_cpu.values) <= MAX_DIFFERENCE)).mean())
    if different > MAX_DIFFERENT_FRACTION:
        return Finding(
            "FAIL", f"{different:.1%} of a window differ from the CPU's: the GPU computes wrongly; update its driver"
        )
    return Finding("ok", f"a window of {POINTS} points agrees with the CPU's")


def _network(check: GpuCheck) -> Finding:
    config = check.setup.config
    if config is None or config.network.backend != "tensorrt" or config.network.engine is None:
        return Finding("warn", 'not checked: name a settings file with --config, with backend = "tensorrt" and an engine')
    base, wanted = check.setup.path.parent, config.network
    bundle, engine = (base / name if name else None for name in (wanted.bundle, wanted.engine))
    network = load_network(bundle, "tensorrt", engine)
    infer = network.begin(POINTS)
    infer(check.segment)
    times_s = []
    for _ in range(WINDOWS_TIMED):
        start_s = time.perf_counter()
        infer(check.segment)
        times_s.append(time.perf_counter() - start_s)
    median_s = float(np.median(times_s))
    text = f"{network.name}: {1e3 * median_s:.1f} ms a window (median of {WINDOWS_TIMED})"
    if median_s > MAX_INFERENCE_S:
        return Finding("warn", f"{text}, more than {1e3 * MAX_INFERENCE_S:.0f}: raise the power mode (nvpmodel), or use fp16")
    return Finding("ok", text)
