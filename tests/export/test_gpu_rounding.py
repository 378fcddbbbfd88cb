"""The emulation of a GPU's half precision rounds every node once, and nothing else."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.gpu_rounding import rounded_as_on_gpu
from export.half import in_half
from tests.helpers.networks import spectrograms


def graph_of(nodes: list[onnx.NodeProto], inputs: dict[str, tuple], weights: dict[str, np.ndarray], out: tuple):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, out)
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", ends, [result], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)[0]


def half_graph(x_shape: tuple, out: tuple) -> onnx.ModelProto:
    """y = float(relu(half(x) @ w + b)), as `in_half` writes it; w [n, 1] of ones, b [1] is 0."""
    nodes = [
        helper.make_node("Cast", ["x"], ["x_half"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["x_half", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=TensorProto.FLOAT),
    ]
    weights = {"w": np.ones((x_shape[1], 1), np.float16), "b": np.array([1], np.float16)}
    return graph_of(nodes, {"x": x_shape}, weights, out)


def test_sums_are_in_float32_and_every_result_is_rounded():
    """By hand: from 2048 on, float16 has steps of 2; a tie goes to the even one."""
    x = np.array([[2048, 1, 1, 1], [2048, 1, 0, 0], [2049, 0, 0, 0], [1, 2**-12, 2**-12, 0]], np.float32)
    # 2048 + 1 + 1 + 1 = 2051 in float32, a tie between 2050 and 2052 (mantissas 1025 and 1026): 2052. Sums in float16
    # would remain at 2048. Then + 1 = 2053: a tie between 2052 and 2054 (1027), 2052.
    # 2049: a tie between 2048 (1024) and 2050: 2048, and 2049 again: 2048. The input 2049 becomes 2048 by its cast.
    # 1 + 2^-11: a tie between 1 and 1 + 2^-10: 1, then 2.
    expected = [[2052], [2048], [2048], [2]]
    assert run(rounded_as_on_gpu(half_graph((4, 4), (4, 1))), x=x).tolist() == expected


def test_it_rounds_as_numpy_does():
    """Also values below the smallest normal number, and those beyond the largest."""
    random = np.random.default_rng(0)
    # Integers below 2^16 times a power of two: a sum of 30 products needs 21 bits, so it is exact in float32.
    x = (random.integers(-(2**16), 2**16, (500, 30)) * 2.0 ** random.integers(-30, 5, (500, 1))).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        product = x.astype(np.float16).astype(np.float32).sum(1, keepdims=True).astype(np.float16)
        expected = (product + np.float16(1)).astype(np.float32)
    got = run(rounded_as_on_gpu(half_graph(x.shape, (500, 1))), x=x)
    assert np.any(np.isinf(expected))
    np.testing.assert_array_equal(got, expected)


def test_a_network_has_a_rounding_after_every_half_value_and_float32_elsewhere(compact_bundle):
    half = in_half(onnx.load(compact_bundle / "model.onnx"))
    made = rounded_as_on_gpu(half)
    onnx.checker.check_model(made, full_check=True)
    types = {tensor.name: tensor.data_type for tensor in made.graph.initializer}
    assert TensorProto.FLOAT16 not in types.values()
    known = onnx.shape_inference.infer_shapes(half, strict_mode=True).graph
    halves = {each.name for each in known.value_info if each.type.tensor_type.elem_type == TensorProto.FLOAT16}
    assert len(halves) > 50

    made.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in sorted(halves))
    session = onnxruntime.InferenceSession(made.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    values = dict(zip(names, session.run(None, {"spectrograms": spectrograms(1, 9)}), strict=True))
    for name in halves:
        np.testing.assert_array_equal(values[name], values[name].astype(np.float16), err_msg=name)
    assert not np.array_equal(values["ecg"], values["ecg"].astype(np.float16))


@pytest.mark.parametrize("value", [2.0**-25, 2.0**-24 * 1.5, 65519.0, 65520.0])
def test_the_ends_of_the_range(value):
    """By hand: 2^-25 is half the smallest step, a tie with 0; 65520 is the first that becomes infinite."""
    nodes = [
        helper.make_node("Cast", ["x"], ["x_half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["x_half"], ["y"], to=TensorProto.FLOAT),
    ]
    got = run(rounded_as_on_gpu(graph_of(nodes, {"x": (1,)}, {}, (1,))), x=np.array([value], np.float32))
    assert got == {2.0**-25: 0, 2.0**-24 * 1.5: 2.0**-23, 65519.0: 65504, 65520.0: np.inf}[value]
