"""A float32 graph in half precision, every cast written in the graph: what a strongly typed engine then does.

Inputs and outputs stay float32, and so does what half precision would spoil: sums of many, exponentials, coordinates,
with all that leads to them alone, back to the layer whose weights are the work.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

SPOOLED = frozenset({"Softmax", "GridSample", "Exp", "Floor", "Pow", "ReduceMean", "ReduceSum"})
"""Computed in float32."""
WORK = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Computed in half precision, whatever takes the result."""

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def in_half(model: ModelProto) -> ModelProto:
    """The network in half precision; it is named, asked and answers as before."""
    known = shape_inference.infer_shapes(model, strict_mode=True).graph
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    types = {value.name: value.type.tensor_type.elem_type for value in (*known.input, *known.value_info, *known.output)}
    types |= {name: tensor.data_type for name, tensor in weights.items()}
    outputs = {value.name for value in graph.output}
    kept = _kept(list(graph.node), outputs)

    home = dict.fromkeys((*weights, *(value.name for value in graph.input)), FLOAT)  # type a value is computed in
    cast: dict[str, str] = {}  # value to its name in the other type
    nodes: list[NodeProto] = []
    halves: list[TensorProto] = []

    def as_type(name: str, wanted: int) -> str:
        if types.get(name) != FLOAT or home[name] == wanted:
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
        wanted = FLOAT if number in kept else HALF
        node.input[:] = [as_type(name, wanted) for name in old.input]
        home |= dict.fromkeys(old.output, wanted)
        nodes.append(node)

    used = {name for node in nodes for name in node.input}
    result = ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.initializer[:], result.graph.value_info[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend([*halves, *(tensor for name, tensor in weights.items() if name in used)])
    return result


def _kept(nodes: list[NodeProto], outputs: set[str]) -> set[int]:
    """Places of the nodes that stay float32: KEPT ones, those that give an output, those that only feed such."""
    users: dict[str, list[int]] = defaultdict(list)
    for number, node in enumerate(nodes):
        for name in node.input:
            users[name].append(number)
    kept: set[int] = set()
    for number in reversed(range(len(nodes))):
        node = nodes[number]
        feeds = [user in kept for name in node.output for user in users[name]]
        needed = node.op_type in SPOOLED or (node.op_type not in WORK and all(feeds))
        if needed or outputs & set(node.output):
            kept.add(number)
    return kept
