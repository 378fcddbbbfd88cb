"""Measures the share of the GPU's limit that the SST's kernels reach: of memory bandwidth or arithmetic.

    python -m bench.gpu.limit [--dry-run]

The bandwidth is that of a copy within the GPU's memory; the arithmetic is the clock rate times the float32 lanes.
"""

from __future__ import annotations

import argparse
from typing import Any

from bench.gpu.device import gpu
from bench.gpu.kernels import time_window_s
from bench.gpu.report import Report, seconds
from bench.sst_gpu import LANES, bytes_a_channel, flop_a_channel
from edge.core.spec import SST_DEFAULT
from edge.dsp.frontend.point_selection import POINTS
from edge.gpu.sst import CudaSst

WINDOWS = (1, 64)


def copy_bytes_s(cuda: Any) -> float:
    """Return bytes per second, read and written, of a copy within the GPU's memory."""
    size = 256 << 20
    stream, source, target = cuda.Stream(), cuda.mem_alloc(size), cuda.mem_alloc(size)
    work = lambda: cuda.memcpy_dtod_async(target, source, size, stream)  # noqa: E731
    return 2 * size / seconds(work, stream.synchronize, 50)


def arithmetic_flop_s(cuda: Any) -> float:
    """Return the multiplications and additions per second of all lanes at the GPU's clock rate."""
    device = cuda.Context.get_device()
    return 2.0 * LANES * device.MULTIPROCESSOR_COUNT * device.CLOCK_RATE * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true")
    dry, report = parser.parse_args().dry_run, Report("limit")
    points, windows, repeats = (1, (1,), 1) if dry else (POINTS, WINDOWS, 50)
    with gpu(dry) as cuda, report.guard("limit"):
        # the stand-in neither copies within its memory nor has a clock
        bandwidth, flop_s = (1e9, 1e12) if dry else (copy_bytes_s(cuda), arithmetic_flop_s(cuda))
        for count in windows:
            channels = count * points
            spent_s = time_window_s(cuda, CudaSst(channels), channels, repeats)
            memory_s = channels * bytes_a_channel(SST_DEFAULT) / bandwidth
            arithmetic_s = channels * flop_a_channel(SST_DEFAULT) / flop_s
            report.add(
                f"{count} windows at once",
                us_a_window=round(spent_s / count * 1e6, 1),
                share_of_limit=round(max(memory_s, arithmetic_s) / spent_s, 4),
                limit="memory" if memory_s > arithmetic_s else "arithmetic",
                copy_gb_s=round(bandwidth / 1e9, 1),
            )
    report.finish()


if __name__ == "__main__":
    main()
