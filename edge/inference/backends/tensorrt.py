"""The TensorRT backend: runs a bundle's engine on the device it was built on.

It uses one stream and runs one window at a time; all memory is allocated and all kernels are loaded at construction.
With the SST on the GPU (`edge.gpu.sst`), the SST writes the spectrograms into the engine's input.
Uses only functions that exist in TensorRT 10.3 (JetPack 6.2) to 11.4.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, SupportsInt

import numpy as np

from edge.core.spec import SST_BINS, SST_COLUMNS
from edge.core.types import Float32, SstWindow, TaskOutputs
from edge.gpu.context import cuda_driver, translate_cuda_errors
from edge.inference.backends.base import BackendError, task_outputs
from edge.inference.backends.engine_file import read_engine, this_machine
from edge.inference.bundle import Bundle, Tensor, inputs, outputs

WARM_UP_WINDOWS = 3
"""Runs before the first real window, because the first runs are slow."""
MAX_ERRORS = 20
"""Number of TensorRT's latest errors that are kept for a message."""


class EnqueuedSst(Protocol):
    """An SST on the GPU, such as `edge.gpu.sst.CudaSst`."""

    def enqueue(self, segment: SupportsInt, values: SupportsInt, scale: SupportsInt, stream: Any) -> None:
        """Enqueues one window on a stream, given device pointers to samples, spectrograms and their scales."""


class TensorRt:
    """Runs an engine as a `Predictor`, for the number of points it was built for.

    Raises BackendError without TensorRT and for an engine of another TensorRT, GPU or bundle; InputError without
    PyCUDA or a GPU, and for CUDA errors.
    """

    def __init__(self, bundle: Bundle, engine: Path) -> None:
        trt, self.cuda = tensorrt(), cuda_driver()
        content, about = read_engine(engine, bundle, this_machine(trt, self.cuda))
        self.points, self.precision = about.points, about.precision
        self._log = tensorrt_log(trt)
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise BackendError(
                f"{engine}: TensorRT {trt.__version__} cannot load it ({self._log.take_errors()}); build it again"
            )
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise BackendError(
                f"{engine}: not enough GPU memory to run it ({self._log.take_errors()}); stop other programs that use "
                "the GPU"
            )
        expected = {tensor.name: _shape(tensor, self.points) for tensor in (*inputs(self.points), *outputs())}
        names = [self._engine.get_tensor_name(k) for k in range(self._engine.num_io_tensors)]
        found = {name: tuple(self._engine.get_tensor_shape(name)) for name in names}
        if found != expected:
            raise BackendError(f"{engine}: it has {found}, must have {expected}; build it again from its bundle")
        with translate_cuda_errors(self.cuda):
            self.stream = self.cuda.Stream()
            self._host = {name: self.cuda.pagelocked_empty(shape, np.float32) for name, shape in expected.items()}
            self._device = {name: self.cuda.mem_alloc(array.nbytes) for name, array in self._host.items()}
        for name, memory in self._device.items():
            if not self._context.set_tensor_address(name, int(memory)):
                raise BackendError(
                    f"{engine}: TensorRT rejects the memory for {name} ({self._log.take_errors()}); build it again"
                )
        self._host["spectrograms"][:] = 0
        for _ in range(WARM_UP_WINDOWS):
            self._window()

    @property
    def spectrograms(self) -> Any:
        """The GPU memory from which the engine reads its window [P, 71, 120]."""
        return self._device["spectrograms"]

    def __call__(self, values: Float32) -> list[TaskOutputs]:
        """Run the network on spectrograms [B, P, 71, 120]. Raises InputError."""
        if values.shape[1] != self.points:
            raise BackendError(f"{values.shape[1]} points for an engine of {self.points}; use ONNX Runtime for these")
        results = []
        for window in values:
            self._host["spectrograms"][0] = window
            results.append(self._window())
        return results

    def run(self) -> TaskOutputs:
        """Run the network on the window at `spectrograms`, after all work already enqueued on the stream."""
        if not self._context.execute_async_v3(self.stream.handle):
            raise BackendError(f"TensorRT could not start the network ({self._log.take_errors()}); restart radarecg")
        with translate_cuda_errors(self.cuda):
            for tensor in outputs():
                self.cuda.memcpy_dtoh_async(self._host[tensor.name], self._device[tensor.name], self.stream)
            self.stream.synchronize()
        ecg, anchor, cycle = (self._host[tensor.name] for tensor in outputs())
        return task_outputs(ecg.copy(), anchor, cycle)[0]

    def _window(self) -> TaskOutputs:
        with translate_cuda_errors(self.cuda):
            self.cuda.memcpy_htod_async(self._device["spectrograms"], self._host["spectrograms"], self.stream)
        return self.run()


class TensorRtFromSegments:
    """Runs SST and engine in one step: samples are copied to the GPU, and the SST writes into the engine's input.

    The spectrograms are returned with the outputs, for display. `sst` must have as many channels as the engine has
    points, and the bundle's SST specification.
    """

    def __init__(self, network: TensorRt, sst: EnqueuedSst, samples: int) -> None:
        self._network, self._sst, cuda = network, sst, network.cuda
        with translate_cuda_errors(cuda):
            self._host = cuda.pagelocked_empty((network.points, samples), np.float32)
            self._window = SstWindow(
                cuda.pagelocked_empty((network.points, SST_BINS, SST_COLUMNS), np.float32),
                cuda.pagelocked_empty((network.points,), np.float32),
            )
            self._segment = cuda.mem_alloc(self._host.nbytes)
            self._scale = cuda.mem_alloc(self._window.scale.nbytes)
        self(np.zeros(self._host.shape, np.float32))

    def __call__(self, segment: Float32) -> tuple[SstWindow, TaskOutputs]:
        """Run SST and network on high-passed samples [P, spec.segment]. Raises InputError."""
        if segment.shape != self._host.shape:
            raise BackendError(
                f"{len(segment)} channels for an engine of {self._network.points} points: this radar does not measure "
                'points of a chest; set backend = "onnxruntime" under [network]'
            )
        network, cuda, window = self._network, self._network.cuda, self._window
        self._host[:] = segment
        with translate_cuda_errors(cuda):
            cuda.memcpy_htod_async(self._segment, self._host, network.stream)
            self._sst.enqueue(self._segment, network.spectrograms, self._scale, network.stream)
            cuda.memcpy_dtoh_async(window.values, network.spectrograms, network.stream)
            cuda.memcpy_dtoh_async(window.scale, self._scale, network.stream)
        result = network.run()
        return SstWindow(window.values.copy(), window.scale.copy()), result


def tensorrt() -> Any:
    """Import the module `tensorrt` on demand. Raises BackendError if it is not installed."""
    try:
        return import_module("tensorrt")
    except ImportError as error:
        raise BackendError(
            f"TensorRT is not installed ({error}): JetPack provides it (apt install python3-libnvinfer); create the "
            "virtual environment with --system-site-packages"
        ) from error


@cache
def tensorrt_log(trt: Any) -> Any:
    """Return the process's logger for the module `trt`; it collects errors until `take_errors` returns them.

    TensorRT registers the first logger for the whole process and ignores others.
    """

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._errors: deque[str] = deque(maxlen=MAX_ERRORS)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self._errors.append(message)

        def take_errors(self) -> str:
            """Return the errors since the last call in one line."""
            errors = "; ".join(self._errors)
            self._errors.clear()
            return " ".join(errors.split()) or "no reason given"

    return Log()


def _shape(tensor: Tensor, points: int) -> tuple[int, ...]:
    return tuple(1 if size == "batch" else points if size == "points" else int(size) for size in tensor.shape)
