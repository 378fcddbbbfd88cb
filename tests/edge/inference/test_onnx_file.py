"""What a model.onnx may contain: a bundle with data in other files, or with unknown operators, is not loaded."""

from contextlib import suppress

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge.inference.bundle import MODEL, SHIPPED, BundleError, load_bundle
from edge.inference.onnx_file import ModelFileError, check_model
from tests.helpers.bundles import another, write_model


def tensor(name="weights", values=(1.0, 2.0)) -> TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, [len(values)], values)


def external(name="weights", location="../../secret") -> TensorProto:
    made = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    made.external_data.add(key="location", value=location)
    return made


def model(nodes=(), tensors=(), **more) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph(list(nodes), "g", [], [], list(tensors)), **more)


def graph_inside(tensors=()) -> onnx.GraphProto:
    return helper.make_graph([], "inside", [], [], list(tensors))


REFUSED = {
    "an initializer elsewhere": (model(tensors=[external()]), "external data"),
    "an absolute path": (model(tensors=[external(location="/etc/shadow")]), "external data"),
    "an attribute's tensor elsewhere": (model([helper.make_node("Add", [], ["x"], value=external())]), "external data"),
    "a list of tensors": (model([helper.make_node("Add", [], ["x"], values=[tensor(), external()])]), "external data"),
    "a place without its flag": (
        model(tensors=[TensorProto(external_data=external().external_data)]),
        "external data",
    ),
    "a flag without a place": (model(tensors=[TensorProto(data_location=TensorProto.EXTERNAL)]), "external data"),
    "a graph in a node": (
        model([helper.make_node("Add", [], ["x"], body=graph_inside([external()]))]),
        "inside a node",
    ),
    "graphs in a node": (model([helper.make_node("Add", [], ["x"], bodies=[graph_inside()])]), "inside a node"),
    "a loop": (model([helper.make_node("Loop", [], ["x"])]), "'Loop' is not one of those"),
    "another domain": (model([helper.make_node("Add", [], ["x"], domain="com.example")]), "'Add' is not one of those"),
    "a function": (
        model(functions=[helper.make_function("d", "f", [], [], [], [helper.make_opsetid("", 18)])]),
        "functions",
    ),
    "a sparse tensor": (
        onnx.ModelProto(graph=onnx.GraphProto(sparse_initializer=[onnx.SparseTensorProto(values=external())])),
        "sparse",
    ),
    "no graph": (onnx.ModelProto(producer_name="x"), "no graph"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    content, why = REFUSED[what]
    with pytest.raises(ModelFileError, match=why):
        check_model(content.SerializeToString())


def test_two_graphs_which_a_parser_merges_are_both_checked():
    content = model([helper.make_node("Add", [], ["x"])]).SerializeToString()
    check_model(content)
    with pytest.raises(ModelFileError, match="external data"):
        check_model(content + model(tensors=[external()]).SerializeToString())


def test_the_shipped_network_passes():
    check_model((SHIPPED / MODEL).read_bytes())


def test_a_file_that_is_too_large(monkeypatch):
    monkeypatch.setattr("edge.inference.onnx_file.MAX_MODEL_BYTES", 1 << 20)
    with pytest.raises(ModelFileError, match="6 MiB, at most 1 are allowed"):
        check_model(bytes(6 << 20))


def test_a_bundle_that_names_a_file_of_the_device_is_not_loaded(tmp_path):
    folder = another(tmp_path / "bundle")
    (tmp_path / "secret").write_bytes(b"12345678" * 1000)
    graph = onnx.load(folder / MODEL)
    target = next(each for each in graph.graph.initializer if numpy_helper.to_array(each).dtype == "float32")
    target.ClearField("raw_data")
    target.data_location = TensorProto.EXTERNAL
    target.external_data.add(key="location", value="../secret")
    write_model(folder, graph.SerializeToString())
    with pytest.raises(BundleError, match=r"model\.onnx: its weights are in another file"):
        load_bundle(folder)


SMALL = model([helper.make_node("Add", ["a", "b"], ["x"], alpha=1.5, value=tensor())], [tensor()]).SerializeToString()


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_pass(content):
    with suppress(ModelFileError):
        check_model(content)


@given(at=st.integers(0, len(SMALL) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused_or_passes(at, byte):
    changed = bytearray(SMALL)
    changed[at] = byte
    with suppress(ModelFileError):
        check_model(bytes(changed))


@given(length=st.integers(0, len(SMALL) - 1))
def test_a_truncated_model_is_never_taken_for_another(length):
    """Protobuf has no end mark, so a cut between two fields of the model passes if its graph is complete."""
    try:
        check_model(SMALL[:length])
    except ModelFileError:
        return
    assert onnx.load_from_string(SMALL[:length]).graph == onnx.load_from_string(SMALL).graph
