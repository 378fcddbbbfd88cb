"""Checks what a model.onnx may contain, before a backend reads it: known operators, and no data outside the file.

ONNX can name other files as the place of a tensor's values ("external data"). A library that follows such a name reads
any file of the device. The file is walked as protobuf messages here, because a device need not have the package onnx.
Field numbers: onnx.proto of ONNX; wire format: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

OPERATORS = frozenset(
    {
        *{"Add", "Cast", "Concat", "Conv", "ConvTranspose", "DequantizeLinear", "Div", "Equal", "Exp"},
        *{"Floor", "Gather", "Gemm", "GridSample", "MatMul", "Mul", "Pad", "Pow", "QuantizeLinear", "ReduceMax"},
        *{"ReduceMean", "ReduceSum", "Relu", "Reshape", "Shape", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub"},
        *{"Tanh", "Transpose", "Unsqueeze", "Where"},
    }
)
"""The operators of the networks; the parsers of TensorRT and TensorRT-RTX support all of them. There is no control
flow, which could run without end, and no BatchNormalization, which must be folded into its convolution."""

MAX_MODEL_BYTES = 256 << 20
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED_64: 8, _FIXED_32: 4}

# Number of each field that is followed, by message; all others are skipped.
_GRAPH_OF_MODEL, _TRAINING_OF_MODEL, _FUNCTIONS_OF_MODEL = 7, 20, 25
_NODE, _INITIALIZER, _SPARSE_INITIALIZER = 1, 5, 15
_OPERATOR, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_TENSOR_OF_ATTRIBUTE, _GRAPH_OF_ATTRIBUTE, _TENSORS, _GRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS = 5, 6, 10, 11, 22, 23
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


class ModelFileError(ValueError):
    """The file is not a model, or contains what a model must not contain; the message says what."""


def check_model(content: bytes) -> None:
    """Check a serialised ONNX model. Raises ModelFileError."""
    if len(content) > MAX_MODEL_BYTES:
        raise ModelFileError(f"{len(content) >> 20} MiB, at most {MAX_MODEL_BYTES >> 20} are allowed")
    has_graph = False
    for number, value in _fields(memoryview(content)):
        if number in (_TRAINING_OF_MODEL, _FUNCTIONS_OF_MODEL):
            raise ModelFileError("it contains functions or training information, which a network does not need")
        if number == _GRAPH_OF_MODEL:
            has_graph = True
            _check_graph(_message(value))
    if not has_graph:
        raise ModelFileError("not an ONNX model: it has no graph")


def _check_graph(graph: memoryview) -> None:
    for number, value in _fields(graph):
        if number == _NODE:
            _check_node(_message(value))
        elif number == _INITIALIZER:
            _check_tensor(_message(value))
        elif number == _SPARSE_INITIALIZER:
            raise ModelFileError("it contains a sparse tensor, which no network here uses")


def _check_node(node: memoryview) -> None:
    operator = domain = b""
    for number, value in _fields(node):
        if number == _OPERATOR:
            operator = bytes(_message(value))
        elif number == _DOMAIN:
            domain = bytes(_message(value))
        elif number == _ATTRIBUTE:
            _check_attribute(_message(value))
    name = operator.decode("ascii", "replace")
    if name not in OPERATORS or domain not in (b"", b"ai.onnx"):
        raise ModelFileError(f"its operator {name!r} is not one of those that a network may use")


def _check_attribute(attribute: memoryview) -> None:
    for number, value in _fields(attribute):
        if number in (_TENSOR_OF_ATTRIBUTE, _TENSORS):
            _check_tensor(_message(value))
        elif number in (_GRAPH_OF_ATTRIBUTE, _GRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS):
            raise ModelFileError("it contains a graph or a sparse tensor inside a node, which no network here uses")


def _check_tensor(tensor: memoryview) -> None:
    for number, value in _fields(tensor):
        if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
            raise ModelFileError("its weights are in another file (external data); all must be in model.onnx itself")


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ModelFileError("not an ONNX model: a message is expected where there is a number")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield number and value of each field of a message. Raises ModelFileError."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise ModelFileError(f"not an ONNX model: unknown wire type {kind}")
        if length > len(message) - place:
            raise ModelFileError("not an ONNX model: it is truncated")
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return the variable-length integer at `place`, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ModelFileError("not an ONNX model: it is truncated")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ModelFileError("not an ONNX model: a number is too long")
