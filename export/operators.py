"""Checks that a Jetson can build a graph: few common operators, a supported opset, a fixed shape.

Needs only `onnx`, as a Jetson has no torch.
"""

from __future__ import annotations

import onnx

from edge.core.errors import InputError

MAX_OPSET = 20
"""The newest opset that TensorRT 10.3 (JetPack 6.2) parses."""

OPERATORS = frozenset(
    {
        *{"Add", "Cast", "Concat", "Conv", "ConvTranspose", "DequantizeLinear", "Div", "Equal", "Exp", "Floor"},
        *{"Gather", "Gemm", "GridSample", "MatMul", "Mul", "Pad", "Pow", "QuantizeLinear", "ReduceMax", "ReduceMean"},
        *{"ReduceSum", "Relu", "Reshape", "Shape", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose"},
        *{"Unsqueeze", "Where"},
    }
)
"""The operators of the networks; the parsers of TensorRT and TensorRT-RTX support all of them. There is no control flow
and no BatchNormalization, which must be folded into its convolution."""


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
                f"node {node.name} is a {node.op_type}, which is not in export.operators.OPERATORS: write the layer "
                "with those, or add the operator if TensorRT's parser supports it"
            )


def fixed(model: onnx.ModelProto, points: int, windows: int = 1) -> onnx.ModelProto:
    """Return a copy with the fixed input shape [windows, points, 71, 120]: an engine is built for one shape.

    Raises ExportError for a network with another number of points.
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
    return copy
