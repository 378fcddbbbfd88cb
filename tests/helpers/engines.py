"""Engines for the stand-in of TensorRT: a bundle's ONNX, described as an engine of this 'machine'."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx

from edge.gpu.context import cuda_driver
from edge.inference.backends.engine_file import About, digest_of, this_machine, write_engine
from edge.inference.bundle import load_bundle
from export.operators import fixed
from tests.helpers import tensorrt_on_cpu


def write_stand_in_engine(path: Path, folder: Path, points: int) -> Path:
    """Write the engine of the bundle in `folder`, for the GPU of the fixture `gpu`."""
    bundle = load_bundle(folder)
    content = fixed(onnx.load_from_string(bundle.model), points).SerializeToString()
    about = About(
        bundle=digest_of(bundle),
        name=bundle.about.name,
        points=points,
        precision="fp32",
        machine=this_machine(tensorrt_on_cpu.module(), cuda_driver()),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    write_engine(path, content, about)
    return path
