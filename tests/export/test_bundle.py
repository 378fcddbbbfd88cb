"""A network's way out of torch: ONNX of plain operators, then a bundle, whole and checked or not at all."""

import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edge.core.errors import InputError
from edge.core.spec import SST_DEFAULT, fingerprint
from edge.inference import bundle
from edge.inference.bundle import DESCRIPTION, MODEL, Metrics
from export import bundle as exporter
from export.operators import OPERATORS, ExportError, check_operators, fixed
from export.to_onnx import to_onnx
from tests.helpers.networks import assert_static, exported_once, spectrograms, trained
from tests.helpers.rounding import relative_error, rounding_noise
from train.training import checkpoint


@pytest.mark.slow  # the paper's network has twenty times compact's weights
def test_the_reference_leaves_as_plain_operators_and_says_the_same():
    network = trained("reference")
    model = to_onnx(network, 50)
    assert {node.op_type for node in model.graph.node} <= OPERATORS
    assert_static(fixed(model, 50))
    session, x = onnxruntime.InferenceSession(model.SerializeToString()), spectrograms(1, 50)
    with torch.no_grad():
        expected = network(torch.from_numpy(x))
    for theirs, ours in zip(session.run(None, {"spectrograms": x}), expected, strict=True):
        assert ours.abs().max() > 0.05
        assert relative_error(theirs, ours.numpy()) <= rounding_noise(model, "fp32", x)


def graph_of(node: onnx.NodeProto, opset: int) -> onnx.ModelProto:
    values = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])


def test_an_operator_that_is_not_allowed_is_named():
    node = onnx.helper.make_node("NonZero", ["x"], ["y"], name="where_beats_are")
    with pytest.raises(ExportError, match="where_beats_are is a NonZero"):
        check_operators(graph_of(node, opset=20))


def test_a_newer_opset_than_the_oldest_jetson_reads_is_refused():
    with pytest.raises(ExportError, match="opset 21: must be 20 or less"):
        check_operators(graph_of(onnx.helper.make_node("Relu", ["x"], ["y"]), opset=21))


def test_the_bundle_says_all_about_itself_and_nothing_about_the_machine(compact_bundle):
    about = bundle.load_bundle(compact_bundle).about
    assert (about.name, about.points, about.precision) == ("compact", "any", "fp32")
    assert (about.spec, about.sst) == (fingerprint(SST_DEFAULT), SST_DEFAULT)
    assert (about.provenance.data, about.provenance.train, about.provenance.seed) == ("simulated-1", ("a", "b"), 1)
    assert about.metrics == Metrics("made up", {"pcc": 0.5, "mdr": None})
    card = (compact_bundle / "README.md").read_text()
    for text in ("Not a medical device", "simulated-1", "2: a, b", "| pcc | 0.5 |", about.spec, '"model": "compact"'):
        assert text in card
    assert b"stack_trace" not in (compact_bundle / MODEL).read_bytes()
    assert str(Path(exporter.__file__).parents[1]).encode() not in (compact_bundle / MODEL).read_bytes()
    assert sum(path.stat().st_size for path in compact_bundle.iterdir()) < 10e6


@pytest.mark.slow  # it exports anew
def test_a_new_bundle_replaces_the_one_before_and_nothing_else(trained_checkpoint, compact_bundle, bundle_copy):
    (bundle_copy / MODEL).write_bytes(b"damaged")
    assert exporter.main([os.fspath(trained_checkpoint), "--out", os.fspath(bundle_copy)]) == 0
    assert bundle.load_bundle(bundle_copy).about.metrics is None
    assert "Not measured yet." in (bundle_copy / "README.md").read_text()
    assert (bundle_copy / MODEL).read_bytes() == (compact_bundle / MODEL).read_bytes()  # same weights, same file
    assert list(bundle_copy.parent.iterdir()) == [bundle_copy]


def test_a_link_to_a_bundle_stays_one(trained_checkpoint, compact_bundle, bundle_copy):
    link = bundle_copy.with_name("current")
    link.symlink_to(bundle_copy)
    with exported_once(compact_bundle):
        assert exporter.write_bundle(checkpoint.load_checkpoint(trained_checkpoint), link).folder == bundle_copy
    assert sorted(link.parent.iterdir()) == [bundle_copy, link]
    assert link.is_symlink()


def test_a_model_that_says_something_else_than_torch_is_never_written(trained_checkpoint, bundle_copy, monkeypatch):
    before = (bundle_copy / DESCRIPTION).read_bytes()
    model = onnx.load(bundle_copy / MODEL)
    weights = next(each for each in model.graph.initializer if list(each.dims) == [200])  # of the piece's last layer
    weights.raw_data = (np.frombuffer(weights.raw_data, np.float32) + 0.05).tobytes()
    monkeypatch.setattr(exporter, "to_onnx", lambda *_: model)
    with pytest.raises(ExportError, match="ONNX Runtime and torch differ by"):
        exporter.write_bundle(checkpoint.load_checkpoint(trained_checkpoint), bundle_copy)
    assert (bundle_copy / DESCRIPTION).read_bytes() == before
    assert list(bundle_copy.parent.iterdir()) == [bundle_copy]


def test_a_network_that_says_no_numbers_is_never_written(trained_checkpoint, compact_bundle, tmp_path):
    broken = checkpoint.load_checkpoint(trained_checkpoint)
    broken.state["network"]["decoders.0.shape.2.bias"][0] = torch.nan
    with exported_once(compact_bundle), pytest.raises(ExportError, match="differ by nan"):
        exporter.write_bundle(broken, tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_does_not_say_where_it_came_from_is_refused(trained_checkpoint, tmp_path):
    known = checkpoint.load_checkpoint(trained_checkpoint)
    known.provenance.pop("data")
    with pytest.raises(ExportError, match="the checkpoint lacks data"):
        exporter.write_bundle(known, tmp_path / "new")


def test_a_folder_that_is_no_bundle_is_left_alone(trained_checkpoint, tmp_path, capsys):
    (tmp_path / "letters").write_text("dear")
    assert exporter.main([os.fspath(trained_checkpoint), "--out", os.fspath(tmp_path)]) == 2
    assert "is not a bundle" in capsys.readouterr().err
    assert (tmp_path / "letters").read_text() == "dear"


def test_metrics_are_those_that_evaluate_wrote(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"data": "people", "rows": {"all": {"pcc": 0.7, "mdr": None}}, "noise": {}}))
    assert exporter.read_metrics(path) == Metrics("people", {"pcc": 0.7, "mdr": None})
    for wrong in ("{}", "[]", "no", '{"data": "x", "rows": {"all": {"pcc": "good"}}}'):
        path.write_text(wrong)
        with pytest.raises(InputError, match=r"figures.json: not a figures.json"):
            exporter.read_metrics(path)
