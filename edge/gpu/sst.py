"""SST on a GPU: compiles `sst.cu` for one SstSpec and GPU, stores its tables on the GPU, and launches it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsInt

import numpy as np

from edge.core.spec import (
    RCG_RATE_HZ,
    SST_AR_ORDER,
    SST_AR_RIDGE,
    SST_BIN_OCTAVES,
    SST_BINS,
    SST_COLUMNS,
    SST_DEFAULT,
    SST_LOW_HZ,
    SST_PERIOD,
    SST_SCALE_RANK,
    SST_SCALES,
    SST_SILENCE_MM_S2,
    SstSpec,
)
from edge.core.types import Float32, SstWindow
from edge.dsp.sst.tables import Band, Int32, SstTables, sst_tables
from edge.gpu.context import GpuOwner, cuda_driver, translate_cuda_errors
from edge.gpu.cubins import load_cubin
from edge.gpu.nvrtc import find_nvrtc

SOURCE = Path(__file__).with_name("sst.cu")
_COMPLEX_BYTES = 8
_FLOAT_BYTES = 4
_SCALES_TOGETHER = (5, 3, 2, 1)  # divisors of the number of scales; 6 would spill registers


@dataclass(frozen=True, slots=True)
class Build:
    """Parameters with which `sst.cu` is compiled and launched.

    `together`: scales computed at a time. `is_global`: the complex spectrogram is in global, not in shared memory.
    """

    tables: SstTables
    wavelets: Band
    together: int
    is_global: bool = False

    @property
    def options(self) -> list[str]:
        """Return the compiler options that define the constants of the source."""
        tables = self.tables
        numbers = {
            "SEGMENT": tables.spec.segment,
            "PERIOD": SST_PERIOD,
            "CIRCLE": self.wavelets.frames_around,
            "FRAME0": self.wavelets.frame0,
            "FRAMES": tables.frames,
            "BINS": SST_BINS,
            "COLUMNS": SST_COLUMNS,
            "SCALES": len(SST_SCALES),
            "TOGETHER": self.together,
            "AR_ORDER": SST_AR_ORDER,
            "AR_RIDGE": repr(SST_AR_RIDGE),
            "THRESHOLD": f"{tables.threshold!r}f",
            "LOW_HZ": f"{SST_LOW_HZ!r}f",
            "BIN_OCTAVES": f"{SST_BIN_OCTAVES!r}f",
            "SCALE_RANK": SST_SCALE_RANK,
            "SILENCE": f"{SST_SILENCE_MM_S2!r}f",
            "GLOBAL_SPECTROGRAM": int(self.is_global),
        }
        return ["-std=c++17", *(f"-D{name}={value}" for name, value in numbers.items())]

    @property
    def spectrum_threads(self) -> int:
        """Return the threads of a block of the first kernel."""
        return SST_PERIOD // 5

    @property
    def squeeze_threads(self) -> int:
        """Return the threads of a block of the second kernel."""
        return 2 * self.together * self.wavelets.frames_around // 6

    @property
    def shared_bytes(self) -> int:
        """Return the dynamic shared memory of a block of the second kernel, for its transforms and its spectrogram."""
        transforms = _COMPLEX_BYTES * 2 * self.together * self.wavelets.frames_around
        return transforms + (0 if self.is_global else self._spectrogram_bytes)

    @property
    def workspace_bytes(self) -> int:
        """Return the global memory that a block of the second kernel needs for its spectrogram; 0 if it is shared."""
        return self._spectrogram_bytes if self.is_global else 0

    @property
    def _spectrogram_bytes(self) -> int:
        return _COMPLEX_BYTES * SST_BINS * self.tables.frames

    @property
    def gain(self) -> Float32:
        """Return the gains of the wavelets, then of the derivatives (multiplied by the bin's frequency in Hz)."""
        band = self.wavelets
        bins = np.concatenate([np.arange(n) + k for k, n in zip(band.first, band.count, strict=True)])
        return np.concatenate([band.gain, band.gain * (bins * RCG_RATE_HZ / SST_PERIOD)], dtype=np.float32)

    @property
    def band(self) -> Int32:
        """Return [2 * scales, 3], wavelets and derivatives alternating: first bin, end bin, `gain` index minus bin."""
        band = self.wavelets
        first = np.repeat(band.first, 2)
        place = np.stack([band.offset, band.offset + len(band.gain)], axis=1).ravel() - first
        return np.stack([first, first + np.repeat(band.count, 2), place], axis=1, dtype=np.int32)


def build_for(spec: SstSpec, shared_bytes: int) -> Build:
    """Return the fastest build for a GPU whose blocks have `shared_bytes` of shared memory (48 KB at least).

    The spectrogram is in shared memory if it fits, with the most scales together that fit beside it; else it is in
    global memory.
    """
    tables = sst_tables(spec)
    wavelets = tables.whole()
    builds = [Build(tables, wavelets, together) for together in _SCALES_TOGETHER]
    in_global_memory = Build(tables, wavelets, _SCALES_TOGETHER[0], is_global=True)
    return next((build for build in builds if build.shared_bytes <= shared_bytes), in_global_memory)


class CudaSst(GpuOwner):
    """Spectrograms of a fixed number of channels on the current CUDA device, or on the first if none is current.

    All memory is allocated in the constructor; `enqueue` only launches. Several windows are passed as more channels.
    """

    def __init__(self, channels: int, spec: SstSpec = SST_DEFAULT, cubins: Path | None = None) -> None:
        """Compile, or load from the folder `cubins`, and allocate.

        Raises InputError if PyCUDA, a GPU or NVRTC is missing, and for CUDA errors.
        """
        self._cuda = cuda = cuda_driver()
        self._channels = channels
        self._build = build = build_for(spec, int(cuda.Context.get_device().MAX_SHARED_MEMORY_PER_BLOCK_OPTIN))
        cubin = compile_for(cuda, build, cubins)
        with translate_cuda_errors(cuda):
            module = cuda.module_from_buffer(cubin)
            self._spectrum, self._squeeze = module.get_function("sst_spectrum"), module.get_function("sst_squeeze")
            self._spectrum.prepare("PPPP")
            self._squeeze.prepare("PPPPPPP")
            self._squeeze.set_attribute(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, build.shared_bytes)
            self._taper = cuda.to_device(build.tables.taper)
            self._band = cuda.to_device(build.band)
            self._gain = cuda.to_device(build.gain)
            self._bins = cuda.mem_alloc(channels * SST_PERIOD // 2 * _COMPLEX_BYTES)
            self._peak = cuda.mem_alloc(channels * _FLOAT_BYTES)
            self._workspace = cuda.mem_alloc(channels * build.workspace_bytes) if build.is_global else 0

    def enqueue(self, segment: SupportsInt, values: SupportsInt, scale: SupportsInt, stream: Any) -> None:
        """Enqueue one window on a PyCUDA stream and return. All pointers are to device memory, float32 in C order.

        segment [channels, spec.segment], high-passed samples; values [channels, 71, 120] and scale [channels] are
        written, with the meaning they have in SstWindow.
        """
        bins, peak = int(self._bins), int(self._peak)
        grid, build = (self._channels, 1), self._build
        self._spectrum.prepared_async_call(
            grid, (build.spectrum_threads, 1, 1), stream, int(segment), int(self._taper), bins, peak
        )
        self._squeeze.prepared_async_call(
            grid,
            (build.squeeze_threads, 1, 1),
            stream,
            bins,
            peak,
            int(self._band),
            int(self._gain),
            int(values),
            int(scale),
            int(self._workspace),
            shared_size=build.shared_bytes,
        )

    def __call__(self, segment: Float32) -> SstWindow:
        """Transform samples [channels, spec.segment] in host memory. Raises ValueError for another shape."""
        expected = (self._channels, self._build.tables.spec.segment)
        if segment.shape != expected:
            raise ValueError(f"segment is {segment.shape}, not {expected}")
        values = np.empty((self._channels, SST_BINS, SST_COLUMNS), np.float32)
        scale = np.empty(self._channels, np.float32)
        cuda = self._cuda
        segment_gpu = cuda.to_device(np.ascontiguousarray(segment, np.float32))
        values_gpu, scale_gpu = cuda.mem_alloc(values.nbytes), cuda.mem_alloc(scale.nbytes)
        stream = cuda.Stream()
        self.enqueue(segment_gpu, values_gpu, scale_gpu, stream)
        stream.synchronize()
        cuda.memcpy_dtoh(values, values_gpu)
        cuda.memcpy_dtoh(scale, scale_gpu)
        return SstWindow(values, scale)


def compile_for(cuda: Any, build: Build, folder: Path | None) -> bytes:
    """Return the cubin of a build for the current device of `pycuda.driver`. Raises NvrtcError, OSError."""
    architecture = "sm_{}{}".format(*cuda.Context.get_device().compute_capability())
    nvrtc = find_nvrtc(architecture, newest_major=cuda.get_driver_version() // 1000)
    return load_cubin(nvrtc, SOURCE, architecture, build.options, folder)
