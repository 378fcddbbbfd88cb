"""As much of TensorRT's runtime as `edge.inference.backends.tensorrt` uses, on the CPU.

An engine is ONNX, and ONNX Runtime runs it on the memory it was given. Classes have TensorRT's names, so that a test
can check that their members exist there.
"""

from __future__ import annotations

import ctypes
from types import ModuleType
from typing import ClassVar

import numpy as np
import onnxruntime

VERSION = "10.3.0"


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING = range(3)

    def log(self, severity: int, message: str) -> None:
        raise NotImplementedError


class Runtime:
    loggers: ClassVar[set[ILogger]] = set()
    """Of all runtimes of the process; TensorRT wants the same one everywhere."""

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger
        Runtime.loggers.add(logger)

    def deserialize_cuda_engine(self, content: bytes) -> ICudaEngine | None:
        if len(content) > 1000:
            return ICudaEngine(content)
        self._logger.log(ILogger.WARNING, "not an error")
        self._logger.log(ILogger.ERROR, "the engine plan file\nis too short")
        return None


class ICudaEngine:
    def __init__(self, content: bytes) -> None:
        self._session = onnxruntime.InferenceSession(content)
        self._tensors = {each.name: each.shape for each in (*self._session.get_outputs(), *self._session.get_inputs())}

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    def get_tensor_name(self, number: int) -> str:
        return list(self._tensors)[number]

    def get_tensor_shape(self, name: str) -> list[int]:
        return self._tensors[name]

    def create_execution_context(self) -> IExecutionContext:
        return IExecutionContext(self)


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine, self._memory = engine, {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        shape = self._engine._tensors[name]
        at = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
        self._memory[name] = np.ctypeslib.as_array(at, shape)
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == 1234
        session = self._engine._session
        outputs = session.run(None, {each.name: self._memory[each.name] for each in session.get_inputs()})
        for tensor, values in zip(session.get_outputs(), outputs, strict=True):
            self._memory[tensor.name][:] = values
        return True


OFFERED = {
    kind.__name__: {name for name in vars(kind) if name[0] != "_" and name != "loggers"}
    for kind in (ILogger, Runtime, ICudaEngine, IExecutionContext)
}
"""What code that ran on this has used at most, by class."""


def module() -> ModuleType:
    """To stand in for `tensorrt`."""
    made = ModuleType("tensorrt")
    made.__dict__.update(__version__=VERSION, ILogger=ILogger, Runtime=Runtime)
    return made
