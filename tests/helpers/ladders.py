"""A device with TensorRT, on stand-ins for CUDA and TensorRT: its settings, and engines that are right or wrong."""

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge.inference.backends import engine_file
from edge.inference.backends.engine_file import About, Machine
from edge.inference.bundle import SHIPPED, load_bundle
from edge.inference.settings import NetworkConfig
from export.operators import fixed
from tests.helpers import tensorrt_on_cpu

TENSORRT = NetworkConfig(backend="tensorrt", engine="x.engine")


class Memory:
    """GPU memory that is the host's."""

    def __init__(self, size: int) -> None:
        self.bytes = np.zeros(size, np.uint8)

    def __int__(self) -> int:
        return self.bytes.ctypes.data

    def receive(self, array: np.ndarray, _stream: object) -> None:
        self.bytes[:] = array.reshape(-1).view(np.uint8)

    def send(self, array: np.ndarray, _stream: object) -> None:
        array.reshape(-1).view(np.uint8)[:] = self.bytes


def driver() -> SimpleNamespace:
    """What the backend uses of `pycuda.driver`, without a GPU: copies are complete when they return."""
    device = SimpleNamespace(name=lambda: "CPU", compute_capability=lambda: (8, 7), MULTIPROCESSOR_COUNT=8)
    return SimpleNamespace(
        Error=OSError,
        init=lambda: None,
        Context=SimpleNamespace(get_current=lambda: device, get_device=lambda: device),
        Stream=lambda: SimpleNamespace(handle=0, synchronize=lambda: None),
        get_driver_version=lambda: 12060,
        mem_alloc=Memory,
        pagelocked_empty=np.empty,
        memcpy_htod_async=Memory.receive,
        memcpy_dtoh_async=lambda array, memory, stream: memory.send(array, stream),
    )


def run_now(context: tensorrt_on_cpu.IExecutionContext, _stream: int) -> bool:
    """Run the network of the stand-in for TensorRT without a stream."""
    session, memory = context._engine._session, context._memory
    outputs = session.run(None, {each.name: memory[each.name] for each in session.get_inputs()})
    for tensor, values in zip(session.get_outputs(), outputs, strict=True):
        memory[tensor.name][:] = values
    return True


def stand_in_for_tensorrt(patch: pytest.MonkeyPatch) -> None:
    """Until the patch ends. The SST stays on the CPU."""
    patch.setitem(sys.modules, "pycuda.driver", driver())
    patch.setitem(sys.modules, "tensorrt", tensorrt_on_cpu.module())
    patch.setattr(tensorrt_on_cpu.IExecutionContext, "execute_async_v3", run_now)
    patch.setattr("edge.inference.loader.CudaSst", lambda *_: None)
    patch.setattr("edge.inference.loader.TensorRtFromSegments", lambda *_: None)


def write_engine(path: Path, precision: str = "fp16", wrong: bool = False, multiprocessors: int = 8) -> None:
    """Write an engine of the shipped network; if `wrong`, of one whose middle convolution gives 0."""
    bundle = load_bundle(SHIPPED)
    model = onnx.load_from_string(bundle.model)
    if wrong:
        name = [node for node in model.graph.node if node.op_type == "Conv"][15].input[1]
        weights = next(tensor for tensor in model.graph.initializer if tensor.name == name)
        weights.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(weights)), name))
    content = fixed(model, 50).SerializeToString()
    about = About(
        bundle=engine_file.digest_of(bundle),
        name="compact",
        points=50,
        precision=precision,
        machine=Machine(tensorrt_on_cpu.VERSION, "12.6", "CPU", "8.7", multiprocessors),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    engine_file.write_engine(path, content, about)
