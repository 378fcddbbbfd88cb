"""Real bundles, each the shipped one with something changed in its graph: good ones, and ones that fail."""

import hashlib
import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, ECG_PIECE_SAMPLES, SST_COLUMNS
from edge.inference import bundle
from edge.inference.bundle import DESCRIPTION, MODEL, SHIPPED


def another(folder: Path, name: str = "another", nan_between: tuple[float, float] | None = None) -> Path:
    """The shipped network under another name; its ECG is NaN where the window's mean lies in between these two."""
    model = onnx.load(SHIPPED / MODEL)
    model.doc_string = name
    if nan_between:
        _spoil(model.graph, *nan_between)
    shutil.copytree(SHIPPED, folder)
    write_model(folder, model.SerializeToString(), name)
    return folder


def hanging(folder: Path) -> Path:
    """The shipped network with a loop without an end before its ECG: it never returns."""
    model = onnx.load(SHIPPED / MODEL)
    for node in model.graph.node:
        node.output[:] = ["hang_x" if output == "ecg" else output for output in node.output]
    describe = helper.make_tensor_value_info
    goes_on, value = (("hang_goes_on", TensorProto.BOOL, []), ("hang_value", TensorProto.FLOAT, None))
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name, *_ in (goes_on, value)],
        "body",
        [describe("hang_round", TensorProto.INT64, []), describe(*goes_on), describe(*value)],
        [describe(f"{name}_out", kind, shape) for name, kind, shape in (goes_on, value)],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "hang_start"))
    model.graph.node.append(helper.make_node("Loop", ["", "hang_start", "hang_x"], ["ecg"], body=body))
    shutil.copytree(SHIPPED, folder)
    write_model(folder, model.SerializeToString(), "hanging")
    return folder


def write_model(folder: Path, content: bytes, name: str = "another") -> None:
    """Write a graph, or bytes that are none, into a bundle with the matching checksum."""
    (folder / MODEL).write_bytes(content)
    about = msgspec.json.decode((folder / DESCRIPTION).read_bytes())
    about |= {"name": name, "sha256": {MODEL: hashlib.sha256(content).hexdigest()}}
    (folder / DESCRIPTION).write_bytes(msgspec.json.encode(about))


def _spoil(graph: onnx.GraphProto, low: float, high: float) -> None:
    """Adds 0 * sqrt((mean - low) (mean - high)) to the ECG."""
    constants = {"spoil_low": low, "spoil_high": high, "spoil_zero": 0.0}
    graph.initializer.extend(numpy_helper.from_array(np.float32(value), name) for name, value in constants.items())
    for node in graph.node:
        node.output[:] = ["spoil_plain" if output == "ecg" else output for output in node.output]
    for kind, inputs, output in (
        ("ReduceMean", ["spectrograms"], "spoil_mean"),
        ("Sub", ["spoil_mean", "spoil_low"], "spoil_above"),
        ("Sub", ["spoil_mean", "spoil_high"], "spoil_below"),
        ("Mul", ["spoil_above", "spoil_below"], "spoil_product"),
        ("Sqrt", ["spoil_product"], "spoil_root"),
        ("Mul", ["spoil_root", "spoil_zero"], "spoil_nothing"),
        ("Add", ["spoil_plain", "spoil_nothing"], "ecg"),
    ):
        graph.node.append(helper.make_node(kind, inputs, [output], **({"keepdims": 0} if kind == "ReduceMean" else {})))


def largest_sums() -> onnx.ModelProto:
    """A network in int8 whose sums are the largest possible: for spectrograms of ones, all codes and weights are 127.

    Its values are exact in float32, in whatever order they are added: every output is 120 * (127/128)^2, which is
    rounded to 118. Sums of two products in 16 bits saturate: 255 * 127 * 2 > 32767.
    """
    channels = ECG_PIECE_SAMPLES + ANCHOR_CLASSES + CYCLE_CLASSES
    constants = {
        "axes": np.int64([1, 2]),
        "shape": np.int64([0, SST_COLUMNS, 1, 1]),
        "flat": np.int64([0, channels]),
        "parts": np.int64([ECG_PIECE_SAMPLES, ANCHOR_CLASSES, CYCLE_CLASSES]),
        "weights": np.full((channels, SST_COLUMNS, 1, 1), 127, np.int8),
        "step": np.float32(1 / 128),
        "one": np.float32(1),
        "zero": np.int8(0),
    }
    nodes = [
        helper.make_node("ReduceMax", ["spectrograms", "axes"], ["columns"], keepdims=0),
        helper.make_node("Reshape", ["columns", "shape"], ["x"]),
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["x_int8"]),
        helper.make_node("DequantizeLinear", ["x_int8", "step", "zero"], ["x_rounded"]),
        helper.make_node("DequantizeLinear", ["weights", "step", "zero"], ["w"]),
        helper.make_node("Conv", ["x_rounded", "w"], ["sums"]),
        helper.make_node("QuantizeLinear", ["sums", "one", "zero"], ["sums_int8"]),
        helper.make_node("DequantizeLinear", ["sums_int8", "one", "zero"], ["sums_rounded"]),
        helper.make_node("Reshape", ["sums_rounded", "flat"], ["all"]),
        helper.make_node("Split", ["all", "parts"], [tensor.name for tensor in bundle.outputs()], axis=1),
    ]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    ends = [
        [helper.make_tensor_value_info(each.name, onnx.TensorProto.FLOAT, each.shape) for each in side]
        for side in (bundle.inputs("any"), bundle.outputs())
    ]
    graph = helper.make_graph(nodes, "largest_sums", *ends, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
