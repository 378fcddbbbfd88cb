"""Converts a bundle to another precision: the graph defines the type of every operation, and an engine follows it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import onnx

from edge.core.types import Float32
from edge.inference.bundle import MODEL, Bundle, Precision
from export.half import in_half
from export.operators import ExportError, check_operators


def in_precision(made: Bundle, precision: Precision, windows: Sequence[Float32] = ()) -> Bundle:
    """Convert a float32 bundle to `precision` in memory; int8 is calibrated on `windows` [1, P, 71, 120].

    Its `description` remains that of the source bundle.

    Raises ExportError for int8 without windows, and for a bundle that is not float32.
    """
    if precision == made.about.precision:
        return made
    if made.about.precision != "fp32":
        raise ExportError(
            f"{made.folder} is {made.about.precision}; only fp32 can be converted to {precision}: export the checkpoint"
        )
    if precision == "int8":
        if not windows:
            raise ExportError("int8 is calibrated on training windows: name their data set with --data TOML")
        from export.quantise import in_int8  # a Jetson that builds an engine has no ONNX Runtime

        model = in_int8(onnx.load_from_string(made.model), windows)
    else:
        model = in_half(onnx.load_from_string(made.model))
    check_operators(model)
    content = model.SerializeToString()
    digest = {MODEL: hashlib.sha256(content).hexdigest()}
    about = msgspec.structs.replace(made.about, precision=precision, sha256=digest)
    return replace(made, about=about, model=content)
