"""A float32 graph in int8: scales in the graph (Q/DQ pairs), found on windows like those the network has learnt from.

As TensorRT wants it: symmetric, weights by channel, biases in float32, Q/DQ pairs at a layer's inputs and not at its
output. Convolutions alone, which are the work: what weighs points and lags against each other, and the last layers,
lost more than they saved, and stay float32 as the rest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from onnx import ModelProto, load
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static  # type: ignore[import-untyped]
from onnxruntime.quantization.quant_utils import add_pre_process_metadata  # type: ignore[import-untyped]

from edge.core.types import Float32

WORK = ["Conv", "ConvTranspose"]
"""Computed in int8."""


def in_int8(model: ModelProto, windows: Iterable[Float32]) -> ModelProto:
    """The network with int8 layers; it is named, asked and answers as before."""
    source = ModelProto()
    source.CopyFrom(model)
    add_pre_process_metadata(source)  # normalisations are folded: without this mark it would advise to
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            source,
            path,
            _Windows(windows),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=WORK,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": WORK,
            },
        )
        made = load(path)
    del made.metadata_props[:]
    return made


class _Windows(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, windows: Iterable[Float32]) -> None:
        self._left = iter(windows)

    def get_next(self) -> dict[str, Float32] | None:
        """The next window, None after the last."""
        window = next(self._left, None)
        return None if window is None else {"spectrograms": window}
