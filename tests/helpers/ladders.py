"""A device with TensorRT, on stand-ins for CUDA and TensorRT: its settings, and engines that are right or wrong."""

import hashlib
import sys
from pathlib import Path

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
from tests.helpers.pycuda_on_cpu import OneDevice

TENSORRT = NetworkConfig(backend="tensorrt", engine="x.engine")


def stand_in_for_tensorrt(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Until the patch ends. The SST stays on the CPU."""
    patch.setitem(sys.modules, "pycuda.driver", OneDevice(folder).driver)
    patch.setitem(sys.modules, "tensorrt", tensorrt_on_cpu.module())
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
