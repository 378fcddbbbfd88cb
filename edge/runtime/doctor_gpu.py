"""Checks the GPU as the backend tensorrt uses it: `radarecg doctor --gpu`.

It needs no boards, no broker and no settings file, so an image can be tested with it. With a settings file that names
an engine, the engine is checked too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from edge.core.spec import SST_DEFAULT
from edge.core.types import Float32
from edge.dsp.frontend.point_selection import POINTS
from edge.dsp.sst.transform import Sst
from edge.gpu.context import cuda_driver, translate_cuda_errors
from edge.gpu.sst import Build, CudaSst, build_for, compile_for
from edge.inference.self_test import MAX_INFERENCE_S
from edge.inference.settings import load_configured_network
from edge.runtime.doctor import Finding, Setup, run_checks

MAX_DIFFERENT_FRACTION = 2e-3
"""Cells of a spectrogram that may differ: in float32 a coefficient at the edge of a bin may fall into the next one."""
MAX_CELL_DIFFERENCE = 1e-4
MAX_ECG_DIFFERENCE = 0.1
"""More than an int8 engine differs (0.04); a wrong one differs by the height of a beat, 1."""
WINDOWS_TIMED = 10


def examine_gpu(setup: Setup) -> int:
    """Run all checks of the GPU and print one line for each; return 1 if any fails, else 0."""
    return run_checks(CHECKS, setup)


def _driver(_setup: Setup) -> Finding:
    cuda = cuda_driver()
    device, version = cuda.Context.get_device(), cuda.get_driver_version()
    capability = ".".join(map(str, device.compute_capability()))
    return Finding(
        "ok", f"{device.name()}, compute capability {capability}, CUDA {version // 1000}.{version % 1000 // 10}"
    )


def _resources(_setup: Setup) -> Finding:
    cuda = cuda_driver()
    device = cuda.Context.get_device()
    build = _build(cuda)
    free, total = cuda.mem_get_info()
    return Finding(
        "ok",
        f"{device.MULTIPROCESSOR_COUNT} multiprocessors, {device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN >> 10} KB of shared "
        f"memory a block (the SST's spectrogram is in {'global' if build.is_global else 'shared'} memory), "
        f"{free >> 20} of {total >> 20} MB free",
    )


def _compiler(_setup: Setup) -> Finding:
    cuda = cuda_driver()
    start_s = time.perf_counter()
    cubin = compile_for(cuda, _build(cuda), None)
    return Finding("ok", f"NVRTC compiles the SST: {len(cubin) >> 10} KB in {time.perf_counter() - start_s:.1f} s")


def _sst(_setup: Setup) -> Finding:
    segment = _segment()
    with translate_cuda_errors(cuda_driver()):
        on_gpu = CudaSst(POINTS)(segment)
    on_cpu = Sst(POINTS)(segment)
    agrees = np.abs(on_gpu.values - on_cpu.values) <= MAX_CELL_DIFFERENCE
    if (different := 1 - float(agrees.mean())) > MAX_DIFFERENT_FRACTION:
        return Finding("FAIL", f"{different:.1%} of a window differ from the CPU's: this GPU or its driver is faulty")
    return Finding("ok", f"a window of {POINTS} points agrees with the CPU's")


def _engine(setup: Setup) -> Finding:
    settings = setup.config.network if setup.config else None
    if settings is None or settings.backend != "tensorrt":
        return Finding("warn", 'not checked: name settings with backend = "tensorrt" with --config')
    on_gpu = load_configured_network(settings, setup.path)
    on_cpu = load_configured_network(msgspec.structs.replace(settings, backend="onnxruntime"), setup.path)
    assert on_gpu
    assert on_cpu
    segment, times_s = _segment(), []
    infer = on_gpu.begin(POINTS)
    for _ in range(WINDOWS_TIMED):
        start_s = time.perf_counter()
        window, outputs = infer(segment)
        times_s.append(time.perf_counter() - start_s)
    (expected,) = on_cpu.predict(window.values[None])
    difference, median_s = float(np.abs(outputs.ecg - expected.ecg).max()), float(np.median(times_s))
    if not difference <= MAX_ECG_DIFFERENCE:
        return Finding(
            "FAIL", f"its ECG differs by {difference:.2g} from the CPU's: build the engine again, or use fp32"
        )
    text = f"{on_gpu.name}: {1e3 * median_s:.1f} ms a window, its ECG differs by {difference:.1g} from the CPU's"
    if median_s > MAX_INFERENCE_S:
        return Finding("warn", f"{text}; slower than {1e3 * MAX_INFERENCE_S:.0f} ms: raise the power mode (nvpmodel)")
    return Finding("ok", text)


def _build(cuda: Any) -> Build:
    return build_for(SST_DEFAULT, int(cuda.Context.get_device().MAX_SHARED_MEMORY_PER_BLOCK_OPTIN))


def _segment() -> Float32:
    """Return noise as the samples of one window [POINTS, segment]."""
    noise = np.random.default_rng(0).standard_normal((POINTS, SST_DEFAULT.segment))
    return noise.astype(np.float32)


CHECKS: tuple[tuple[str, Callable[[Setup], Finding]], ...] = (
    ("GPU", _driver),
    ("GPU resources", _resources),
    ("GPU compiler", _compiler),
    ("GPU SST", _sst),
    ("engine", _engine),
)
