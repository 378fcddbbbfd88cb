"""How far a rounded network may lie from an exact one, by its own scales and numbers of terms.

All figures are relative: root mean square of an output's error by the standard deviation of that output. Roundings are
independent of each other, so their squares add up. Layers pass an error on as they pass the signal on, give or take a
factor of two, which `MARGIN` covers.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from edge.inference.bundle import Precision
from export.half import HALF_OPERATORS

MARGIN = 2.0
FLOAT_UNIT, HALF_UNIT = 2.0**-24, 2.0**-11
"""The largest relative error of one rounding."""


def rounding_noise(model: onnx.ModelProto, precision: Precision, x: np.ndarray) -> float:
    """Of a graph in `precision` that is shown the windows x [B, P, 71, 120], beside the same in float32."""
    if precision == "int8":
        return MARGIN * np.sqrt(np.sum(np.square(_int8_steps(model, x)) / 12))  # a rounding is uniform in its step
    layers, terms = _layers(model)
    if precision == "fp16":
        return MARGIN * HALF_UNIT * np.sqrt(2 * layers)  # inputs and weights; x86 adds up in float32
    return MARGIN * FLOAT_UNIT * np.sqrt(terms)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Of the values with their mean: a float is rounded relative to its value."""
    return float(np.sqrt(np.mean(np.square(found - expected)) / np.mean(np.square(expected))))


def _layers(model: onnx.ModelProto) -> tuple[int, int]:
    """Layers with weights, and the products that one output of each adds up, of all layers together."""
    sizes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    weights = [
        sizes[name]
        for node in model.graph.node
        if node.op_type in HALF_OPERATORS
        for name in node.input
        if name in sizes
    ]
    return len(weights), sum(int(np.prod(size)) // max(size) for size in weights if len(size) > 1)


def _int8_steps(model: onnx.ModelProto, x: np.ndarray) -> list[float]:
    """The step of every activation and weight that is rounded, by the root mean square of its values."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    rounded = {node.input[0]: node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in rounded if name != "spectrograms")
    session = onnxruntime.InferenceSession(watched.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    seen = dict(zip(names, session.run(names, {"spectrograms": x}), strict=True)) | {"spectrograms": x}
    steps = [float(values[scale]) / _rms(seen[name]) for name, scale in rounded.items()]
    weights = {node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"} & set(values)
    return steps + [1 / _rms(values[name]) for name in weights]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values.astype(np.float64)))))
