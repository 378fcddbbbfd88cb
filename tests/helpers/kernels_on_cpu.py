"""The kernels of `edge/gpu/sst.cu` called directly, without a driver: for sanitizers and for damaged kernels."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from edge.core.spec import SST_BINS, SST_COLUMNS, SST_PERIOD
from edge.core.types import Float32, SstWindow
from edge.gpu.sst import Build


class StuckBlockError(Exception):
    """On a GPU this block would never end."""


def run_sst(library: Path, build: Build, segment: Float32, order: int) -> SstWindow:
    """Compute the spectrograms of samples [channels, spec.segment]; buffers are full of NaN until written."""
    functions, channels = ctypes.CDLL(str(library)), len(segment)
    bins, peak = _unwritten(channels, SST_PERIOD), _unwritten(channels)
    workspace = _unwritten(max(channels * build.workspace_bytes // 4, 1))
    values, scale = _unwritten(channels, SST_BINS, SST_COLUMNS), _unwritten(channels)
    for function, threads, shared_bytes, arrays in (
        (functions.sst_spectrum_on_cpu, build.spectrum_threads, 0, (segment, build.tables.taper, bins, peak)),
        (
            functions.sst_squeeze_on_cpu,
            build.squeeze_threads,
            build.shared_bytes,
            (bins, peak, build.band, build.gain, values, scale, workspace),
        ),
    ):
        at = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        if not function(channels, threads, ctypes.c_size_t(shared_bytes), order, at):
            raise StuckBlockError("some threads ended while others waited at a barrier")
    return SstWindow(values, scale)


def _unwritten(*shape: int) -> Float32:
    return np.full(shape, np.nan, np.float32)
