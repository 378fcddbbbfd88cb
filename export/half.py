"""Converts a float32 graph to half precision, with explicit casts as a strongly typed engine needs them.

Inputs and outputs stay float32, and so do operators that lose too much accuracy in half precision: long sums,
exponentials, coordinates, and the nodes that feed only those, back to the last layer with many products.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

FLOAT_OPERATORS = frozenset({"Softmax", "GridSample", "Exp", "Floor", "Pow", "ReduceMean", "ReduceSum"})
"""Computed in float32."""
HALF_OPERATORS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Computed in half precision, whatever uses the result."""

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def in_half(model: ModelProto) -> ModelProto:
    """Return the network in half precision, with the same name, inputs and outputs."""
    known = shape_inference.infer_shapes(model, strict_mode=True).graph
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    types = {value.name: value.type.tensor_type.elem_type for value in (*known.input, *known.value_info, *known.output)}
    types |= {name: tensor.data_type for name, tensor in weights.items()}
    outputs = {value.name for value in graph.output}
    float_nodes = _find_float_nodes(list(graph.node), outputs)

    computed = dict.fromkeys((*weights, *(value.name for value in graph.input)), FLOAT)  # name to computed type
    cast: dict[str, str] = {}  # name to the name of the value in the other type
    nodes: list[NodeProto] = []
    halves: list[TensorProto] = []

    def as_type(name: str, wanted: int) -> str:
        if types.get(name) != FLOAT or computed[name] == wanted:
            return name
        if name not in cast:
            cast[name] = new = f"{name}_{'half' if wanted == HALF else 'float'}"
            if name in weights:
                halves.append(numpy_helper.from_array(numpy_helper.to_array(weights[name]).astype(np.float16), new))
            else:
                nodes.append(helper.make_node("Cast", [name], [new], f"cast_{new}", to=wanted))
        return cast[name]

    for number, old in enumerate(graph.node):
        node = NodeProto()
        node.CopyFrom(old)
        wanted = FLOAT if number in float_nodes else HALF
        node.input[:] = [as_type(name, wanted) for name in old.input]
        computed |= dict.fromkeys(old.output, wanted)
        nodes.append(node)

    used = {name for node in nodes for name in node.input}
    result = ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.initializer[:], result.graph.value_info[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend([*halves, *(tensor for name, tensor in weights.items() if name in used)])
    return result


def _find_float_nodes(nodes: list[NodeProto], outputs: set[str]) -> set[int]:
    """Return the indices of nodes that stay float32: FLOAT_OPERATORS, output nodes, and nodes that feed only those."""
    users: dict[str, list[int]] = defaultdict(list)
    for number, node in enumerate(nodes):
        for name in node.input:
            users[name].append(number)
    found: set[int] = set()
    for number in reversed(range(len(nodes))):
        node = nodes[number]
        feeds = [user in found for name in node.output for user in users[name]]
        needed = node.op_type in FLOAT_OPERATORS or (node.op_type not in HALF_OPERATORS and all(feeds))
        if needed or outputs & set(node.output):
            found.add(number)
    return found
