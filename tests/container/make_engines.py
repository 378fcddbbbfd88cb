"""Makes the engines of the stand-in for TensorRT, inside the container: python make_engines.py FOLDER [--wrong].

Both that the runtime uses, in half precision and in float32. With --wrong, both compute an ECG that is half of its
height off: a GPU, or a TensorRT, that gives wrong numbers.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge.dsp.frontend.point_selection import POINTS
from edge.gpu.context import cuda_driver
from edge.inference import bundle
from edge.inference.backends.engine_file import About, digest_of, float32_path, this_machine, write_engine
from edge.inference.backends.tensorrt import tensorrt
from export.operators import fixed
from export.precision import in_precision


def shifted(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with 0.5 added to its ECG."""
    graph = model.graph
    name = graph.output[0].name
    for node in graph.node:
        node.output[:] = [f"{name}_right" if each == name else each for each in node.output]
        node.input[:] = [f"{name}_right" if each == name else each for each in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array([0.5], np.float32), "shift"))
    graph.node.append(helper.make_node("Add", [f"{name}_right", "shift"], [name]))
    return model


def main() -> None:
    folder, is_wrong = Path(sys.argv[1]), "--wrong" in sys.argv
    shipped, machine = bundle.load_bundle(bundle.SHIPPED), this_machine(tensorrt(), cuda_driver())
    half = folder / "compact.engine"
    for precision, path in (("fp16", half), ("fp32", float32_path(half))):
        made = in_precision(shipped, precision, ())
        model = fixed(onnx.load_from_string(made.model), POINTS)
        content = (shifted(model) if is_wrong else model).SerializeToString()
        sha256 = hashlib.sha256(content).hexdigest()
        about = About(
            bundle=digest_of(made),
            name=made.about.name,
            points=POINTS,
            precision=precision,
            machine=machine,
            sha256=sha256,
        )
        write_engine(path, content, about)


if __name__ == "__main__":
    main()
