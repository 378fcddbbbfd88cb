"""What leaving torch costs is measured, precision by precision, and told as it is."""

import itertools
import json
import os
import re

import pytest

from edge.core.types import RawFrame
from edge.radar.iq import encode
from edge.sources.recording import Recorder
from edge.twin.heart import Heart
from export import verify
from tests.helpers.chest import frames
from tests.helpers.networks import exported_once
from tests.helpers.people import write_people


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> str:
    return os.fspath(write_people(tmp_path_factory.mktemp("people"), 3))


def record(folder, chirp, seconds: float) -> str:
    with Recorder(folder, chirp, "sdk") as recorder:
        for frame in frames(chirp, Heart(), seconds=seconds):
            data = encode(frame.iq, "sdk")
            recorder.write(RawFrame(frame.seq, frame.t_ns, data, len(data)))
    return os.fspath(folder)


@pytest.mark.slow  # the default tests of precisions compare the same with ONNX Runtime
def test_every_precision_stands_beside_torch(trained_checkpoint, compact_bundle, people, iwr6843, tmp_path, capsys):
    recording = record(tmp_path / "trial", iwr6843, 13)
    with exported_once(compact_bundle):
        assert verify.main([os.fspath(trained_checkpoint), "--data", people, "--replay", recording]) == 0
    out = capsys.readouterr().out
    rows = json.loads(out.splitlines()[-1])
    assert list(rows) == ["torch", *verify.PRECISIONS]
    assert re.search(r"\d+ windows of the data, [1-9] windows of the replay", out)
    for kind in itertools.product(("ecg", "anchor", "cycle"), ("data", "replay")):
        apart = [row["_apart_".join(kind)] for row in rows.values()]
        assert apart[0] == 0
        # Steps of 2^-24, 2^-11 and 2^-8: float32 is far below both; which of these two is worse depends on the network.
        assert apart[1] < min(apart[2:])
        assert apart[3] not in (apart[2], 0)
        assert apart[4] < 1  # outputs are about 1 large
    assert rows["torch"]["windows"] > 5
    assert all(f"| {name} |" in out for name in rows)
    assert rows["ONNX Runtime fp32"]["loss_percent"] <= 0.1
    assert set(verify.too_far(rows)) <= {"ONNX Runtime int8"}
    rows["ONNX Runtime fp32"]["cycle_apart_replay"] = float("nan")
    rows["fp16 as a GPU rounds"]["anchor_apart_data"] = 0.03
    rows["ONNX Runtime int8"]["ecg_apart_data"] = 0.3
    assert verify.too_far(rows) == ["ONNX Runtime fp32", "fp16 as a GPU rounds", "ONNX Runtime int8"]


def test_a_loss_is_the_worst_figures_and_its_sign_that_of_the_task():
    before = {"r_timing_ms_median": 20.0, "ppi_error_ms": 10.0, "pcc": 0.8}
    assert verify.loss_percent({**before, "pcc": 0.9, "ppi_error_ms": 9.0}, before) == 0
    assert verify.loss_percent({**before, "pcc": 0.76, "r_timing_ms_median": 20.2}, before) == 5
    assert verify.loss_percent({**before, "r_timing_ms_median": None}, before) == 100


def test_a_recording_without_a_window_is_told(
    trained_checkpoint, compact_bundle, people, iwr6843, tmp_path, monkeypatch, capsys
):
    recording = record(tmp_path / "short", iwr6843, 5)
    monkeypatch.setattr(verify, "in_onnx_runtime", lambda *_: {})  # torch is enough, and quantising takes seconds
    with exported_once(compact_bundle):
        assert verify.main([os.fspath(trained_checkpoint), "--data", people, "--replay", recording]) == 2
    assert "short: no chest in view" in capsys.readouterr().err


def test_a_bundle_that_has_left_float32_is_not_verified(half_bundle, people, capsys):
    assert verify.main([os.fspath(half_bundle), "--data", people]) == 2
    assert "only fp32 can be converted" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["nothing", "text"])
def test_what_is_no_network_is_told_in_one_line(tmp_path, people, capsys, wrong):
    (tmp_path / "text").write_text("not a checkpoint")
    assert verify.main([os.fspath(tmp_path / wrong), "--data", people]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "checkpoint" in error
