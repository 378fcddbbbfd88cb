"""A bundle in another precision: the graph says what is computed in what, and an engine does just that."""

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
    """A float32 bundle in `precision`; int8 finds its scales on `windows` [1, P, 71, 120]. Nothing is written.

    Its `description` stays that of the bundle it was made from.

    Raises ExportError for int8 without windows, and for a bundle that has left float32 already.
    """
    if precision == made.about.precision:
        return made
    if made.about.precision != "fp32":
        raise ExportError(
            f"{made.folder} is {made.about.precision}, and only fp32 becomes {precision}: export it from the checkpoint"
        )
    if precision == "int8":
        if not windows:
            raise ExportError("int8 finds its scales on training windows: name their data set with --data TOML")
        from export.quantise import in_int8  # a Jetson that builds an engine has no ONNX Runtime

        model = in_int8(onnx.load_from_string(made.model), windows)
    else:
        model = in_half(onnx.load_from_string(made.model))
    check_operators(model)
    content = model.SerializeToString()
    digest = {MODEL: hashlib.sha256(content).hexdigest()}
    about = msgspec.structs.replace(made.about, precision=precision, sha256=digest)
    return replace(made, about=about, model=content)
