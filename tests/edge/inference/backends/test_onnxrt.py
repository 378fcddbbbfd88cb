"""ONNX Runtime says what torch says, or why it cannot."""

import os
import sys
from dataclasses import replace

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

from edge.inference import bundle
from edge.inference.backends.base import BackendError
from edge.inference.backends.onnxrt import OnnxRuntime
from tests.helpers.bundles import largest_sums
from tests.helpers.networks import assert_alike, spectrograms, trained
from train.training.predictor import TorchPredictor


@pytest.mark.parametrize("points", [1, 9, 50, 64])
def test_onnx_runtime_says_what_torch_says(compact_bundle, points):
    x = spectrograms(3, points)
    ours, theirs = OnnxRuntime(bundle.load_bundle(compact_bundle))(x), TorchPredictor(trained("compact"))(x)
    assert_alike(ours, theirs)
    for outputs in ours:
        assert [a.dtype for a in (outputs.ecg, outputs.anchor, outputs.cycle)] == [np.float32] * 3
        assert outputs.ecg.std() > 0.01
        assert (outputs.anchor.sum(), outputs.cycle.sum()) == pytest.approx((1, 1), abs=1e-4)


def test_neither_the_points_order_nor_silent_ones_nor_the_batch_nor_threads_matter(compact_bundle):
    loaded = bundle.load_bundle(compact_bundle)
    run, x = OnnxRuntime(loaded), spectrograms(2, 9)
    plain = run(x)
    assert_alike(run(np.ascontiguousarray(x[:, ::-1])), plain)
    assert_alike(run(np.concatenate([np.zeros((2, 3, 71, 120), np.float32), x], 1)), plain)
    assert_alike([run(window[None])[0] for window in x], plain)
    assert_alike(OnnxRuntime(loaded, threads=2)(x), plain)


def test_int8_means_what_its_graph_says_on_every_processor(compact_bundle, tmp_path, monkeypatch):
    optimised = tmp_path / "optimised.onnx"

    class Options(onnxruntime.SessionOptions):
        def __init__(self):
            super().__init__()
            self.optimized_model_filepath = os.fspath(optimised)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    run = OnnxRuntime(replace(bundle.load_bundle(compact_bundle), model=largest_sums().SerializeToString()))
    (outputs,) = run(np.ones((1, 50, 71, 120), np.float32))
    assert set(outputs.ecg) == {118.0}
    kinds = {node.op_type for node in onnx.load(optimised).graph.node}
    assert {"Conv", "QuantizeLinear"} <= kinds
    assert not {kind for kind in kinds if "QLinear" in kind or "Integer" in kind}


def test_a_model_that_is_not_what_its_description_says_is_refused(compact_bundle):
    fixed = msgspec.structs.replace(bundle.load_bundle(compact_bundle).about, points=50, inputs=bundle.inputs(50))
    loaded = replace(bundle.load_bundle(compact_bundle), about=fixed)
    with pytest.raises(BackendError, match=r"not those of bundle.json"):
        OnnxRuntime(loaded)
    with pytest.raises(BackendError, match="cannot load it"):
        OnnxRuntime(replace(loaded, model=loaded.model[:1000]))


def test_a_network_of_a_fixed_number_of_points_takes_no_other(compact_bundle):
    loaded = bundle.load_bundle(compact_bundle)
    model = onnx.load_from_string(loaded.model)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 9
    about = msgspec.structs.replace(loaded.about, points=9, inputs=bundle.inputs(9))
    run = OnnxRuntime(replace(loaded, about=about, model=model.SerializeToString()))
    assert len(run(spectrograms(2, 9))) == 2
    with pytest.raises(BackendError, match="8 points for a network of 9"):
        run(spectrograms(2, 8))


def test_without_onnxruntime_the_extra_is_named(compact_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match=r"pip install '\.\[cpu\]'"):
        OnnxRuntime(bundle.load_bundle(compact_bundle))
