"""The trial of a network from elsewhere: memory and time are limited, and the service does not pay for them."""

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.inference.backends.base import BackendError
from edge.inference.bundle import SHIPPED, inputs, load_bundle, outputs
from edge.inference.ladder import place_network
from edge.inference.settings import NetworkFiles
from edge.inference.trial import try_network
from tests.helpers.bundles import another, write_model


def with_graph(folder, nodes, constants):
    """A bundle of these nodes, which compute `x` [batch, 1]; every output is x."""
    lengths = {tensor.name: int(tensor.shape[1]) for tensor in outputs()}
    tail = []
    for name, length in lengths.items():
        constants |= {f"{name}_zeros": np.zeros(length, np.float32)}
        tail.append(helper.make_node("Add", ["x", f"{name}_zeros"], [name]))
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    ends = [
        [helper.make_tensor_value_info(each.name, onnx.TensorProto.FLOAT, each.shape) for each in side]
        for side in (inputs("any"), outputs())
    ]
    graph = helper.make_graph([*nodes, *tail], "graph", *ends, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    another(folder)
    write_model(folder, model.SerializeToString())
    return load_bundle(folder.resolve())


def of_memory(folder, values: int):
    """Pads the mean of each window with so many values, and takes the largest."""
    return with_graph(
        folder,
        [
            helper.make_node("ReduceMean", ["spectrograms", "axes"], ["mean"], keepdims=0),
            helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
            helper.make_node("Pad", ["column", "pads"], ["large"]),
            helper.make_node("ReduceMax", ["large", "one"], ["x"], keepdims=1),
        ],
        {"axes": np.int64([1, 2, 3]), "one": np.int64([1]), "pads": np.int64([0, 0, 0, values])},
    )


def test_a_network_that_needs_gigabytes_fails_its_trial(tmp_path):
    with pytest.raises(BackendError, match=r"model\.onnx: the network failed its trial: "):
        try_network(of_memory(tmp_path / "large", 1 << 30), 1)


def test_a_network_that_computes_too_long_fails_its_trial(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.inference.trial._try", spin)
    with pytest.raises(BackendError, match=r"it computed for more than \d+ s"):
        try_network(dataclasses.replace(load_bundle(SHIPPED), folder=tmp_path), 1)


def spin(_bundle, _threads, _result):
    """Stand for a network that does not end, as none of the allowed operators loops."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (1, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    while True:
        pass


def test_a_constant_network_fails_its_self_test(tmp_path):
    bundle = of_memory(tmp_path / "constant", 1)
    bundle = dataclasses.replace(bundle, golden=None)
    with pytest.raises(BackendError, match="output anchor is the same for silence, noise and beats"):
        try_network(bundle, 1)


def test_a_network_that_fails_its_trial_leaves_the_classical_heart_rate(tmp_path):
    bundle = of_memory(tmp_path / "large", 1 << 30)
    placed = place_network(bundle, NetworkFiles(bundle.folder, "onnxruntime", None, None, 1))
    assert placed.rung == "none"
    assert "failed its trial" in (placed.fallback or "")


def test_the_shipped_network_needs_no_trial_and_another_passes(tmp_path, monkeypatch):
    monkeypatch.setattr("multiprocessing.get_context", lambda _: pytest.fail("a trial of the shipped network"))
    try_network(load_bundle(SHIPPED.resolve()), 1)
    monkeypatch.undo()
    try_network(load_bundle(another(tmp_path / "another").resolve()), 1)
