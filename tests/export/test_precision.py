"""A network in every precision: TensorRT-RTX takes it, and it says what float32 says, as far as roundings allow."""

from typing import get_args

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.inference import bundle
from edge.inference.bundle import Bundle, Precision
from export import build_engine, builder
from export.operators import ExportError, check_operators, fixed
from export.precision import in_precision
from tests.helpers.networks import assert_static, spectrograms
from tests.helpers.rounding import relative_error, rounding_noise


@pytest.fixture(scope="module")
def by_precision(compact_bundle) -> dict[Precision, Bundle]:
    """The same network in each of them; nothing is written."""
    loaded, windows = bundle.load_bundle(compact_bundle), list(spectrograms(4, 50)[:, None])
    return {each: in_precision(loaded, each, windows) for each in get_args(Precision)}


def run(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"spectrograms": x})


@pytest.mark.parametrize("precision", get_args(Precision))
def test_every_precision_parses_builds_and_says_what_float32_says(by_precision, precision):
    rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed; it is for x86-64 Linux")
    made, x = by_precision[precision], spectrograms(1, 50)
    assert made.about.precision == precision
    graph = fixed(onnx.load_from_string(made.model), 50)
    check_operators(graph)
    onnx.checker.check_model(graph, full_check=True)
    assert {tensor.type.tensor_type.elem_type for tensor in (*graph.graph.input, *graph.graph.output)} == {
        TensorProto.FLOAT
    }
    assert len(builder.build(rtx, graph, 256, None, build_engine.CLOSEST_TO_ORIN)) > 1e6
    expected = run(onnx.load_from_string(by_precision["fp32"].model), x)
    for ours, theirs in zip(run(graph, x), expected, strict=True):
        assert relative_error(ours, theirs) <= rounding_noise(graph, precision, x)


@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_fixed_graph_has_only_constant_shapes_and_the_same_answers(by_precision, precision):
    graph, x = onnx.load_from_string(by_precision[precision].model), spectrograms(2, 9)
    made = fixed(graph, 9, windows=2)
    assert_static(made)
    assert len(made.graph.node) < len(graph.graph.node)
    for ours, theirs in zip(run(made, x), run(graph, x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def tiny_graph(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], shape: list[int | str]) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("spectrograms", "y")]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_a_shape_that_depends_on_the_values_is_refused():
    nodes = [
        helper.make_node("ReduceMax", ["spectrograms"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["count"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["count", "axis"], ["where"]),
        helper.make_node("Concat", ["where", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["spectrograms", "shape"], ["view"]),
        helper.make_node("Relu", ["view"], ["y"]),
    ]
    weights = {"axis": np.zeros(1, np.int64), "rest": np.array([-1, 71, 120])}
    with pytest.raises(ExportError, match="shape of view depends on the input's values"):
        fixed(tiny_graph(nodes, weights, ["batch", 2, 71, 120]), 2)


def test_half_precision_is_where_the_work_is_and_nowhere_it_hurts(by_precision):
    model = onnx.load_from_string(by_precision["fp16"].model)
    known = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*known.value_info, *known.output)}
    types |= {tensor.name: tensor.data_type for tensor in known.initializer}
    shown = {
        kind: {types[node.input[-1]] for node in known.node if node.op_type == kind} for kind in ("Conv", "Softmax")
    }
    assert shown == {"Conv": {TensorProto.FLOAT16}, "Softmax": {TensorProto.FLOAT}}


def test_int8_is_written_as_tensorrt_takes_it(by_precision):
    """Pairs at the inputs and weights of convolutions, none that only others take, all with zero in the middle."""
    graph = onnx.load_from_string(by_precision["int8"].model).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pairs = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    quantised = {node.output[0]: node for node in graph.node if node.op_type == "QuantizeLinear"}
    for node in (*pairs.values(), *quantised.values()):
        zero = values[node.input[2]]
        assert (zero.dtype, np.any(zero)) == (np.int8, False)
    taken = set()
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            activation, weight = (pairs[name] for name in node.input[:2])
            assert activation.input[0] in quantised
            channels = values[weight.input[0]].shape[node.op_type == "ConvTranspose"]
            assert values[weight.input[1]].shape == (channels,)
            assert all(values[name].dtype == np.float32 for name in node.input[2:])
            taken |= {activation.output[0], weight.output[0]}
    assert taken == set(pairs)
    assert {node.input[0] for node in pairs.values()} > set(quantised)


def test_what_has_left_float32_goes_nowhere_else(by_precision):
    half = by_precision["fp16"]
    assert in_precision(half, "fp16") is half
    with pytest.raises(ExportError, match="is fp16; only fp32 can be converted to int8"):
        in_precision(half, "int8")
