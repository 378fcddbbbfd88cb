"""Real bundles, each the shipped one with something changed in its graph: good ones, and ones that fail."""

import hashlib
import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge.bundle import DESCRIPTION, MODEL, SHIPPED


def another(folder: Path, name: str = "another", nan_between: tuple[float, float] | None = None) -> Path:
    """The shipped network under another name; its ECG is NaN where the window's mean lies in between these two."""
    model = onnx.load(SHIPPED / MODEL)
    model.doc_string = name
    if nan_between:
        _spoil(model.graph, *nan_between)
    shutil.copytree(SHIPPED, folder)
    write_model(folder, model.SerializeToString(), name)
    return folder


def write_model(folder: Path, content: bytes, name: str = "another") -> None:
    """Puts a graph, or what is none, into a bundle that says so."""
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
