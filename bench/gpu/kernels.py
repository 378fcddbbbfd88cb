"""Measures the SST's kernels on a GPU, in every build: right values, the same bits, time.

    python -m bench.gpu.kernels [--dry-run] [--once]

--once: one small window in each build and nothing else, for compute-sanitizer. --dry-run: on the tests' stand-in for
the driver, without times.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from bench.gpu.device import BUILDS, gpu, make_sst, segments
from bench.gpu.report import Report, seconds
from edge.core.spec import SST_BINS, SST_COLUMNS
from edge.core.types import Float32, SstWindow
from edge.dsp.frontend.point_selection import POINTS
from edge.dsp.sst.reference import sst_reference
from edge.gpu.sst import CudaSst

FEW = 2  # channels where only the values matter
MIN_CORRELATION, MAX_OTHER_CELLS = 0.9995, 2e-3
"""As in the tests: in float32 a coefficient at the edge of a bin may fall into the next one."""
RUNS = 200


def check_values(report: Report, build: str, window: SstWindow, samples: Float32) -> None:
    """Compare a few channels with the float64 definition."""
    expected = [sst_reference(channel.astype(float))[0] for channel in samples[:FEW]]
    pairs = list(zip(window.values, expected, strict=False))
    correlation = min(float(np.corrcoef(ours.ravel(), exact.ravel())[0, 1]) for ours, exact in pairs)
    other = float(np.mean([(np.abs(ours - exact) > 1e-4).mean() for ours, exact in pairs]))
    ok = correlation >= MIN_CORRELATION and other < MAX_OTHER_CELLS
    report.add(f"{build}: values", ok, correlation=round(correlation, 7), cells_in_another_bin=round(other, 6))


def check_odd_input(report: Report, build: str, samples: Float32) -> None:
    """Check that invalid and silent channels are marked and do not touch the others."""
    odd = np.concatenate([samples[:1], samples[:1], samples[:1], 0 * samples[:1]])
    odd[1, 700], odd[2, 3] = np.nan, -np.inf
    window, alone = make_sst(4, build)(odd), make_sst(1, build)(samples[:1])
    ok = not window.values[1:].any() and np.isnan(window.scale[1:3]).all() and window.scale[3] == 0
    report.add(f"{build}: NaN, infinity, silence", bool(ok and np.array_equal(window.values[0], alone.values[0])))


def measure(report: Report, cuda: Any, build: str) -> None:
    """Measure a window of POINTS channels, and one with a channel for each multiprocessor: a single wave of blocks."""
    count = int(cuda.Context.get_device().MULTIPROCESSOR_COUNT)
    window_s, wave_s = (time_window_s(cuda, make_sst(channels, build), channels) for channels in (POINTS, count))
    clock_mhz = cuda.Context.get_device().CLOCK_RATE / 1e3
    figures = {"multiprocessors": count, "clock_mhz": clock_mhz, "points": POINTS}
    report.add(f"{build}: time", us_a_window=round(window_s * 1e6, 1), us_a_wave=round(wave_s * 1e6, 1), **figures)


def time_window_s(cuda: Any, transform: CudaSst, channels: int, repeats: int = RUNS) -> float:
    """Return the time from samples to spectrograms, both in the GPU's memory."""
    stream = cuda.Stream()
    samples = cuda.to_device(segments(channels))
    values, scale = cuda.mem_alloc(4 * channels * SST_BINS * SST_COLUMNS), cuda.mem_alloc(4 * channels)
    return seconds(lambda: transform.enqueue(samples, values, scale, stream), stream.synchronize, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--once", action="store_true")
    arguments = parser.parse_args()
    report, samples = Report("kernels"), segments(FEW)
    bits: Float32 | None = None
    with gpu(arguments.dry_run) as cuda:
        device = cuda.Context.get_device()
        largest = int(device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
        for build in (name for name, shared_bytes in BUILDS.items() if shared_bytes <= largest):
            with report.guard(f"{build}: values"):
                transform = make_sst(FEW, build)
                window = transform(samples)
                if arguments.once:
                    report.add(f"{build}: runs", bool(np.isfinite(window.values).all()), device=device.name())
                    continue
                check_values(report, build, window, samples)
                bits = window.values if bits is None else bits
                again = range(1 if arguments.dry_run else RUNS)
                same = np.array_equal(bits, window.values) and all(
                    np.array_equal(bits, transform(samples).values) for _ in again
                )
                report.add(f"{build}: the same bits in every run and every build", same, runs=len(again))
                check_odd_input(report, build, samples)
                if not arguments.dry_run:
                    measure(report, cuda, build)
    report.finish()


if __name__ == "__main__":
    main()
