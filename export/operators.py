"""Checks that a Jetson can build a graph: few common operators, a supported opset, a fixed shape.

Needs only `onnx`, as a Jetson has no torch.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from edge.core.errors import InputError
from edge.inference.onnx_file import OPERATORS

MAX_OPSET = 20
"""The newest opset that TensorRT 10.3 (JetPack 6.2) parses."""


class ExportError(InputError):
    """The network cannot be exported; the message names the problem."""


def check_operators(model: onnx.ModelProto) -> None:
    """Check opset and operators. Raises ExportError for an opset above MAX_OPSET, or for a node not in OPERATORS."""
    for opset in model.opset_import:
        if not opset.domain and opset.version > MAX_OPSET:
            raise ExportError(
                f"opset {opset.version}: must be {MAX_OPSET} or less, the newest that TensorRT 10.3 parses"
            )
    for node in model.graph.node:
        if node.op_type not in OPERATORS or node.domain:
            raise ExportError(
                f"node {node.name} is a {node.op_type}, which is not in edge.inference.onnx_file.OPERATORS: write the "
                "layer with those, or add the operator if TensorRT's parser supports it"
            )


def fixed(model: onnx.ModelProto, points: int, windows: int = 1) -> onnx.ModelProto:
    """Return a copy with the fixed input shape [windows, points, 71, 120]: an engine is built for one shape.

    All shapes are constants: no node computes one. Raises ExportError for a network with another number of points, and
    for one with a shape that depends on the input's values.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    batch, channels = copy.graph.input[0].type.tensor_type.shape.dim[:2]
    if channels.dim_value not in (0, points):
        raise ExportError(f"a network of {channels.dim_value} points cannot be built for {points}")
    batch.dim_value, channels.dim_value = windows, points
    for tensor in copy.graph.output:
        tensor.type.tensor_type.shape.dim[0].dim_value = windows
    del copy.graph.value_info[:]  # intermediate shapes still have the free axes
    _fold_constants(copy)
    return copy


def _fold_constants(model: onnx.ModelProto) -> None:
    """Compute every node that depends only on constants and shapes, and store its result as an initializer.

    DequantizeLinear stays, because a quantised weight must reach the engine as int8. Raises ExportError.
    """
    graph, shapes = model.graph, _static_shapes(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type == "Shape":  # only the input's shape is used
            known = {node.input[0]: np.broadcast_to(np.float32(0), shapes[node.input[0]])}
        else:
            known = {name: constants[name] for name in node.input if name in constants}
        if node.op_type == "DequantizeLinear" or not known.keys() >= {*node.input} - {""}:
            nodes.append(node)
            continue
        results = ReferenceEvaluator(node).run(None, known)
        for name, value in zip(node.output, results, strict=True):
            constants[name] = value
            graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    used = {name for node in nodes for name in node.input}
    initializers = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)


def _static_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of every value that is not an initializer. Raises ExportError if one is not constant."""
    graph = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    dims = {each.name: each.type.tensor_type.shape.dim for each in (*graph.input, *graph.value_info, *graph.output)}
    for name, found in dims.items():
        if not all(dim.HasField("dim_value") for dim in found):
            raise ExportError(f"the shape of {name} depends on the input's values: TensorRT needs constant shapes")
    return {name: tuple(dim.dim_value for dim in found) for name, found in dims.items()}
