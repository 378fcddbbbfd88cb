"""Quantises a float32 graph to int8: scales are in the graph (Q/DQ pairs), calibrated on windows of the training data.

In the form that TensorRT requires: symmetric, weights per channel, biases in float32, Q/DQ pairs at a layer's inputs
and not at its output. Only convolutions are quantised, which take most of the time: in the layers that weight points
and lags, and in the last layers, int8 lost more accuracy than the time it saved was worth. All others stay float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from onnx import ModelProto, load
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static  # type: ignore[import-untyped]
from onnxruntime.quantization.quant_utils import add_pre_process_metadata  # type: ignore[import-untyped]

from edge.core.types import Float32

INT8_OPERATORS = ["Conv", "ConvTranspose"]
"""Computed in int8."""


def in_int8(model: ModelProto, windows: Iterable[Float32]) -> ModelProto:
    """Return the network with int8 layers, and the same name, inputs and outputs."""
    source = ModelProto()
    source.CopyFrom(model)
    add_pre_process_metadata(source)  # suppresses the advice to fold normalisations, which is already done
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            source,
            path,
            _Windows(windows),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=INT8_OPERATORS,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": INT8_OPERATORS,
            },
        )
        made = load(path)
    del made.metadata_props[:]
    return made


class _Windows(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, windows: Iterable[Float32]) -> None:
        self._remaining = iter(windows)

    def get_next(self) -> dict[str, Float32] | None:
        """Return the next window, or None after the last."""
        window = next(self._remaining, None)
        return None if window is None else {"spectrograms": window}
