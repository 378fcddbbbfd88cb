"""What may be in a graph that a Jetson is to build: few plain operators, an old enough opset, a fixed shape.

Needs `onnx` alone, as a Jetson has no torch.
"""

from __future__ import annotations

import onnx

from edge.core.errors import InputError

LAST_OPSET = 20
"""What TensorRT 10.3 (JetPack 6.2) parses at most."""

OPERATORS = frozenset(
    {
        *{"Add", "Cast", "Concat", "Conv", "ConvTranspose", "DequantizeLinear", "Div", "Equal", "Exp", "Floor"},
        *{"Gather", "Gemm", "GridSample", "MatMul", "Mul", "Pad", "Pow", "QuantizeLinear", "ReduceMax", "ReduceMean"},
        *{"ReduceSum", "Relu", "Reshape", "Shape", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose"},
        *{"Unsqueeze", "Where"},
    }
)
"""What the networks need, all of it in TensorRT's and TensorRT-RTX's parsers; none is control flow, and none is
BatchNormalization: it must have gone into its convolution."""


class ExportError(InputError):
    """The network cannot leave torch; the message names what does not fit."""


def check_operators(model: onnx.ModelProto) -> None:
    """Raises ExportError for a newer opset than LAST_OPSET, and for the first node that is not in OPERATORS."""
    for opset in model.opset_import:
        if not opset.domain and opset.version > LAST_OPSET:
            raise ExportError(f"opset {opset.version}: TensorRT 10.3 parses {LAST_OPSET} at most; export with an older")
    for node in model.graph.node:
        if node.op_type not in OPERATORS or node.domain:
            raise ExportError(
                f"node {node.name} is a {node.op_type}, which is not in export.operators.OPERATORS: write the layer "
                "with those, or add the operator once TensorRT's parser is known to take it"
            )


def fixed(model: onnx.ModelProto, points: int, windows: int = 1) -> onnx.ModelProto:
    """A copy that takes [windows, points, 71, 120] and nothing else: an engine is built for one shape.

    Raises ExportError for a network of another number of points.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    batch, channels = copy.graph.input[0].type.tensor_type.shape.dim[:2]
    if channels.dim_value not in (0, points):
        raise ExportError(f"a network of {channels.dim_value} points cannot be built for {points}")
    batch.dim_value, channels.dim_value = windows, points
    for tensor in copy.graph.output:
        tensor.type.tensor_type.shape.dim[0].dim_value = windows
    del copy.graph.value_info[:]  # the shapes between were those of any number
    return copy
