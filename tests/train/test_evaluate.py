"""Tests the evaluate command with a checkpoint, its bundle, and the shipped bundle."""

import json
import os

import pytest

from edge.inference import bundle
from train import evaluate
from train.training import checkpoint
from train.training.bundle_weights import checkpoint_from_bundle


@pytest.mark.usefixtures("in_process")
def test_evaluate_takes_a_checkpoint_or_its_bundle_and_finds_the_same(tmp_path, monkeypatch, capsys):
    """Uses a trained network: the figures of clear peaks do not depend on rounding."""
    people = evaluate.unseen_set
    monkeypatch.setattr(evaluate, "unseen_set", lambda: people(tmp_path / "people", 3, 2600))
    assert evaluate.main(["--shipped", "--json"]) == 0
    out = capsys.readouterr().out
    shipped = json.loads(out)
    assert len(out.splitlines()) == 1
    assert {"pcc", "rmse", "ppi_error_ms", "r_timing_ms_median", "mdr", "hr_error_bpm_median"} <= set(shipped)
    data = ["--data", os.fspath(tmp_path / "people/dataset.toml"), "--part", "all", "--json"]
    same = checkpoint_from_bundle(bundle.load_bundle(bundle.SHIPPED))
    checkpoint.save(tmp_path / "same.pt", same.config, same.state, same.provenance)
    assert evaluate.main(["--checkpoint", os.fspath(tmp_path / "same.pt"), *data]) == 0
    for key, value in json.loads(capsys.readouterr().out).items():
        assert value == (None if shipped[key] is None else pytest.approx(shipped[key], rel=0.01)), key


@pytest.mark.parametrize("wrong", [[], ["--shipped", "--data", "x"], ["--shipped", "--bundle", "b"], ["--bundle", "b"]])
def test_evaluate_rejects_invalid_arguments(wrong):
    with pytest.raises(SystemExit):
        evaluate.main(wrong)
