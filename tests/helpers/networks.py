"""Networks and what they are shown, for tests: fresh weights, but as after some training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnx
import torch
from torch import nn

from edge.inference.bundle import MODEL
from train.model import NETWORKS, Network
from train.model.backbone import DeformableConv
from train.training import checkpoint
from train.training.config import Data, TrainConfig, Training


def trained(name: str) -> Network:
    """Normalisation does something, offsets are not zero, outputs are about 1 large."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.05, 0.2)
        if isinstance(module, DeformableConv):
            nn.init.uniform_(module.offsets.bias, -1.5, 1.5)
    return network.eval()


def spectrograms(windows: int, points: int) -> np.ndarray:
    return np.random.default_rng(points).random((windows, points, 71, 120), np.float32) ** 4


def save_checkpoint(path: Path) -> Path:
    people = {"data": "simulated-1", "train": ["a", "b"], "validation": ["c"], "test": ["d"]}
    state = {"network": trained("compact").state_dict(), "history": [{"epoch": 1.0}]}
    checkpoint.save(path, TrainConfig(Data("none"), Training(1, 1)), state, people)
    return path


@contextmanager
def exported_once(bundle: Path) -> Iterator[None]:
    """The checkpoint's graph is that of its bundle: torch takes ten seconds to export it anew."""
    with patch("export.bundle.to_onnx", lambda *_: onnx.load(bundle / MODEL)):
        yield


FLOAT32_BOUND = 30 * np.sqrt(3 * 160) * np.finfo(np.float32).eps
"""Between two ways to compute outputs that are about 1 large in float32: some thirty layers, in which roundings of eps
add up at random over the up to 3 * 160 terms of a sum."""


def assert_alike(ours, theirs, atol: float = FLOAT32_BOUND) -> None:
    """The outputs of as many windows, probabilities and pieces."""
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.ecg, b.ecg, atol=atol)
        np.testing.assert_allclose(a.anchor, b.anchor, atol=atol)
        np.testing.assert_allclose(a.cycle, b.cycle, atol=atol)


def assert_static(graph: onnx.ModelProto) -> None:
    """No node computes a shape, and every shape is known before the graph runs."""
    known = onnx.shape_inference.infer_shapes(graph, strict_mode=True).graph
    values = (*known.input, *known.value_info, *known.output)
    assert all(dim.dim_value > 0 for value in values for dim in value.type.tensor_type.shape.dim)
    assert {name for node in known.node for name in node.output} <= {value.name for value in values}
    constants = {tensor.name for tensor in known.initializer}
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    for node in known.node:
        assert node.op_type != "Shape"
        assert node.op_type != "Concat" or types[node.output[0]] != onnx.TensorProto.INT64  # of signals, not of sizes
        assert node.op_type != "Reshape" or node.input[1] in constants
        assert node.op_type == "DequantizeLinear" or {*node.input} - constants
