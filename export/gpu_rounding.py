"""Emulates on a CPU how a GPU rounds a half-precision graph: every node's result, after sums in float32.

On x86, ONNX Runtime computes a half-precision graph in float32 and omits most of the casts between the nodes, so it
rounds little more than the weights. Here the graph contains every rounding explicitly. An engine rounds at most as
often: it computes some neighbouring nodes together and rounds only the last result.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from edge.inference.bundle import Bundle


def in_gpu_rounding(half: Bundle) -> Bundle:
    """Return the fp16 bundle with a float32 graph that contains the roundings of a GPU; for comparisons only."""
    return replace(half, model=rounded_as_on_gpu(onnx.load_from_string(half.model)).SerializeToString())


def rounded_as_on_gpu(half: ModelProto) -> ModelProto:
    """Return a float32 graph with the values that the half-precision graph has on a GPU.

    Every float16 value becomes a float32 value, rounded to float16 after the node that computes it.
    """
    known = shape_inference.infer_shapes(half, strict_mode=True).graph
    rounded = {each.name for each in known.value_info if each.type.tensor_type.elem_type == TensorProto.FLOAT16}
    made = ModelProto()
    made.CopyFrom(half)
    del made.graph.value_info[:], made.graph.node[:]
    for node in half.graph.node:
        made.graph.node.extend(_with_roundings(node, rounded))
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    return made


def _with_roundings(old: NodeProto, rounded: set[str]) -> list[NodeProto]:
    """Return the node in float32, and two casts after each of its outputs in `rounded`."""
    node = NodeProto()
    node.CopyFrom(old)
    if old.op_type == "Cast" and rounded & {*old.input, *old.output}:
        node = helper.make_node("Identity", old.input, old.output, old.name)
    node.output[:] = [f"{name}_exact" if name in rounded else name for name in old.output]
    casts = []
    for name in rounded & {*old.output}:
        casts.append(
            helper.make_node("Cast", [f"{name}_exact"], [f"{name}_half"], f"round_{name}", to=TensorProto.FLOAT16)
        )
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], f"widen_{name}", to=TensorProto.FLOAT))
    return [node, *casts]
