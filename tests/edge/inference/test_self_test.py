"""A network whose numbers are wrong on a backend is not used there."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.bundle import DESCRIPTION, GOLDEN, MODEL, SHIPPED, Bundle, BundleError, load_bundle
from edge.inference.loader import load_network
from edge.inference.self_test import (
    TOLERANCE,
    NetworkError,
    differences_to_golden,
    encode_golden,
    run_self_test,
    self_test_windows,
)
from export.precision import in_precision
from tests.helpers.networks import FLOAT32_BOUND

WINDOWS_SHA256 = "0d6b8e2e2d76457dee7f040157524c385d5ecf44baead33678cd10a00d5a3bfb"


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return load_bundle(SHIPPED)


def with_weights(bundle: Bundle, convolution: int, factor: float) -> Bundle:
    """The network with one convolution's weights multiplied, as an engine that computes it wrong."""
    model = onnx.load_from_string(bundle.model)
    name = [node for node in model.graph.node if node.op_type == "Conv"][convolution].input[1]
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(factor), name))
    return replace(bundle, model=model.SerializeToString())


def test_the_windows_are_the_same_on_every_machine():
    windows = self_test_windows(50)
    assert [window.shape for window in windows] == [(50, 71, 120)] * 4
    assert all(window.min() >= 0 and window.max() <= 1 and window.dtype == np.float32 for window in windows)
    assert hashlib.sha256(b"".join(window.tobytes() for window in windows)).hexdigest() == WINDOWS_SHA256


def test_the_shipped_golden_outputs_are_those_of_the_shipped_network(shipped):
    predict = OnnxRuntime(shipped)
    run_self_test(predict, shipped)
    made, stored = (dict(np.load(io.BytesIO(each))) for each in (encode_golden(predict, 50), shipped.golden))
    assert (str(stored["windows"]), stored["points"]) == (WINDOWS_SHA256, 50)
    for head in ("ecg", "anchor", "cycle"):
        np.testing.assert_allclose(made[head], stored[head], atol=FLOAT32_BOUND)
        assert stored[head].std() > 0.001  # they show something
    assert stored["anchor"].max() > 10 / 800  # it found the beats


def test_half_precision_passes(shipped, caplog):
    half = in_precision(shipped, "fp16")
    run_self_test(OnnxRuntime(half), half)
    assert not caplog.text


@pytest.mark.parametrize(("convolution", "factor"), [(0, 1.05), (0, 0.0), (15, 1.5), (15, 0.0), (29, 1.5)])
def test_wrong_half_precision_is_refused(shipped, convolution, factor):
    wrong = in_precision(with_weights(shipped, convolution, factor), "fp16")
    with pytest.raises(
        NetworkError, match=r"the output \w+ in fp16 differs by 0\.\d+ from the bundle's golden.npz, .*tolerance 0.02"
    ):
        run_self_test(OnnxRuntime(wrong), shipped)


def test_float32_has_the_narrowest_tolerance(shipped):
    wrong = with_weights(shipped, 15, 1.001)
    with pytest.raises(NetworkError, match=r"in fp32 differs by .* tolerance 0.0001: this backend computes wrong"):
        run_self_test(OnnxRuntime(wrong), wrong)


def test_a_difference_is_named_by_head(shipped):
    golden = dict(np.load(io.BytesIO(shipped.golden)))
    predict = OnnxRuntime(shipped)
    outputs = [predict(window[None])[0] for window in self_test_windows(50)]
    outputs[1] = replace(outputs[1], ecg=outputs[1].ecg + np.float32(0.25))
    shifted = np.roll(outputs[3].cycle, 130)
    outputs[3] = replace(outputs[3], cycle=shifted)
    found = differences_to_golden(outputs, golden, "fp16")
    moved = np.abs(shifted - golden["cycle"][3]).sum() / 2
    assert found["ecg"] == pytest.approx(0.25, abs=TOLERANCE["fp32"])
    assert found["anchor"] <= TOLERANCE["fp32"]
    assert found["cycle"] == pytest.approx(moved, abs=TOLERANCE["fp32"])
    assert differences_to_golden(outputs, golden, "int8")["cycle"] < 0.5 < moved  # int8 saturates there


def test_not_a_number_in_the_golden_outputs_is_refused(shipped):
    arrays = dict(np.load(io.BytesIO(shipped.golden)))
    arrays["anchor"][0, 0] = np.nan
    content = io.BytesIO()
    np.savez(content, **arrays)
    spoilt = replace(shipped, golden=content.getvalue())
    with pytest.raises(NetworkError, match="the output anchor in fp32 differs by nan"):
        run_self_test(OnnxRuntime(shipped), spoilt)


def test_a_bundle_made_before_golden_outputs_is_loaded_with_a_line_in_the_log(bundle_copy, caplog):
    path = bundle_copy / DESCRIPTION
    golden = bundle_copy / GOLDEN
    listed = f',\n  "{GOLDEN}": "{hashlib.sha256(golden.read_bytes()).hexdigest()}"'
    assert listed in path.read_text()
    path.write_text(path.read_text().replace(listed, ""))
    golden.unlink()
    assert load_bundle(bundle_copy).golden is None
    load_network(bundle_copy)
    assert caplog.text.count("outputs are not compared") == 1


def test_golden_outputs_for_other_windows_are_not_compared(shipped, caplog):
    other = replace(shipped, golden=encode_golden(OnnxRuntime(shipped), 3))
    run_self_test(OnnxRuntime(shipped), other)
    assert "golden.npz is for other windows (3 points)" in caplog.text


def test_golden_outputs_are_part_of_what_is_signed_and_checked(bundle_copy):
    golden = bytearray((bundle_copy / GOLDEN).read_bytes())
    golden[len(golden) // 2] ^= 1
    (bundle_copy / GOLDEN).write_bytes(golden)
    with pytest.raises(BundleError, match=r"golden.npz: sha256 differs"):
        load_bundle(bundle_copy)
    (bundle_copy / GOLDEN).unlink()
    with pytest.raises(BundleError, match=r"golden.npz: cannot read this file of the bundle"):
        load_bundle(bundle_copy)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_what_is_no_golden_file_is_named(shipped, content):
    with pytest.raises(BundleError, match=r"golden.npz: not golden outputs .*; export the bundle again"):
        run_self_test(OnnxRuntime(shipped), replace(shipped, golden=content))


def test_a_network_that_is_too_slow_is_refused(shipped, monkeypatch):
    monkeypatch.setattr("edge.inference.self_test.MAX_INFERENCE_S", 0.0)
    with pytest.raises(NetworkError, match=rf"{MODEL}: inference takes .* s per window, more than 0; use a smaller"):
        run_self_test(OnnxRuntime(shipped), shipped)
