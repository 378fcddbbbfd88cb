"""Tests fine-tuning from a checkpoint or a bundle, resumption after interrupts, and export of the result."""

import json
import os
from dataclasses import replace

import msgspec
import onnx
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from edge.core.errors import InputError
from edge.inference import bundle
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.bundle import SHIPPED, BundleError
from export import bundle as exporter
from tests.helpers.networks import assert_alike, spectrograms
from tests.helpers.people import write_people
from train import finetune
from train.data.dataset import load_dataset, with_split
from train.data.splits import Fold, Holdout
from train.training import checkpoint
from train.training.bundle_weights import checkpoint_from_bundle
from train.training.config import Training
from train.training.loop import Trainer
from train.training.predictor import TorchPredictor

FAST = Training(epochs=2, steps=2, batch=4, learning_rate=1e-3, keep_statistics=True)


def finetune_to(out, people):
    return finetune.finetune(checkpoint_from_bundle(bundle.load_bundle(SHIPPED)), load_dataset(people), FAST, 2, out)


def command(network, people, out, *more):
    return [*map(os.fspath, network), "--data", os.fspath(people), "--out", os.fspath(out), *more]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def uninterrupted(people, tmp_path_factory):
    """Folder of an uninterrupted run, started from a bundle."""
    out = tmp_path_factory.mktemp("finetune") / "uninterrupted"
    finetune_to(out, people)
    return out


def stopped_after(epochs, monkeypatch):
    real = Trainer._save_epoch

    def save_and_stop(self, writer):
        nonlocal epochs
        real(self, writer)
        epochs -= 1
        if not epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_save_epoch", save_and_stop)


@pytest.mark.parametrize("points", [1, 9])
def test_a_bundle_in_torch_gives_the_same_outputs(points):
    ours = bundle.load_bundle(SHIPPED)
    x = spectrograms(3, points)
    assert_alike(OnnxRuntime(ours)(x), TorchPredictor(checkpoint_from_bundle(ours).network())(x))


def test_a_bundle_of_other_layers_is_refused():
    ours = bundle.load_bundle(SHIPPED)
    model = onnx.load_from_string(ours.model)
    model.graph.initializer[0].name = "renamed"
    with pytest.raises(BundleError, match=r"model.onnx: its layers are not those .*encoder.0.stem.0.0.weight"):
        checkpoint_from_bundle(replace(ours, model=model.SerializeToString()))
    with pytest.raises(BundleError, match="made for the spec 1234"):
        checkpoint_from_bundle(replace(ours, about=msgspec.structs.replace(ours.about, spec="1234")))


def test_no_test_subject_is_used_in_training(uninterrupted):
    before = checkpoint_from_bundle(bundle.load_bundle(SHIPPED)).training_subjects()
    tested = []
    for number in (1, 2):
        made = checkpoint.load_checkpoint(uninterrupted / f"fold-{number}" / "best.pt").provenance
        known, test = {*made["train"], *made["validation"]}, set(made["test"])
        assert not known & test
        assert known | test == {"p1", "p2", "p3", "p4"}
        assert set(json.loads((uninterrupted / f"fold-{number}" / "figures.json").read_text())["subjects"]) == test
        assert made["before"] == before
        tested += test
    assert len(set(tested)) == 2


def test_statistics_are_kept_and_weights_learn(uninterrupted):
    before = checkpoint_from_bundle(bundle.load_bundle(SHIPPED)).network()
    after = checkpoint.load_checkpoint(uninterrupted / "adapted.pt").network()
    for (name, old), new in zip(before.named_modules(), after.modules(), strict=True):
        if isinstance(old, _BatchNorm):
            assert torch.equal(old.running_mean, new.running_mean), name
            assert torch.equal(old.running_var, new.running_var), name
    assert not torch.equal(before.encoder[0].score.weight, after.encoder[0].score.weight)


@pytest.mark.slow  # torch takes ten seconds to export it
def test_the_exported_bundle_names_its_training_subjects(uninterrupted, tmp_path):
    assert exporter.main([os.fspath(uninterrupted / "adapted.pt"), "--out", os.fspath(tmp_path / "mine")]) == 0
    about = bundle.load_bundle(tmp_path / "mine").about.provenance
    assert (about.data, about.train, about.test) == ("people", ("p1", "p2", "p3", "p4"), ())
    ((data, names),) = about.before.items()
    assert checkpoint_from_bundle(bundle.load_bundle(SHIPPED)).training_subjects() == {data: list(names)}
    assert f"| further training data | {data}: {len(names)}: " in (tmp_path / "mine" / "README.md").read_text()


@pytest.mark.slow  # trains anew; in the default run the loop's own tests resume
def test_a_resumed_run_gives_the_same_result(uninterrupted, people, tmp_path, monkeypatch, capsys):
    for epochs in (3, 2):  # in the second fold; among all subjects
        with monkeypatch.context() as patch:
            stopped_after(epochs, patch)
            with pytest.raises(KeyboardInterrupt):
                finetune_to(tmp_path, people)
    finished = [tmp_path / f"fold-{number}" / "best.pt" for number in (1, 2)]
    before = [path.stat().st_mtime_ns for path in finished]
    capsys.readouterr()
    figures = finetune_to(tmp_path, people)
    assert [path.stat().st_mtime_ns for path in finished] == before
    assert capsys.readouterr().out.count("(finished before)") == 2
    for name in ("figures.md", "fold-1/figures.json", "fold-2/figures.json"):
        assert (tmp_path / name).read_text() == (uninterrupted / name).read_text()
    ours, theirs = (
        checkpoint.load_checkpoint(folder / "adapted.pt").state["network"] for folder in (tmp_path, uninterrupted)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (figures["folds"], set(figures)) == (2, {"folds", "epochs", "zero_shot", "fine_tuned"})
    assert "mean of 2 folds: fine-tuned" in (tmp_path / "figures.md").read_text()


def test_a_network_that_gets_no_better_stays_as_it_is(trained_checkpoint, people, tmp_path, capsys):
    (tmp_path / "adapted.pt").write_text("of another time")
    standing_still = ["--align", "--first", "1", "--epochs", "1", "--steps", "1", "--rate", "1e-30"]
    assert finetune.main(command(["--checkpoint", trained_checkpoint], people, tmp_path, *standing_still)) == 0
    out = capsys.readouterr().out
    assert "no adapted.pt" in out
    figures = json.loads(out.splitlines()[-1])
    assert figures["zero_shot"] == figures["fine_tuned"]
    assert not (tmp_path / "adapted.pt").exists()


def test_invalid_requests_are_reported(uninterrupted, trained_checkpoint, people, tmp_path, capsys):
    def error_output(*arguments):
        assert finetune.main([os.fspath(each) for each in arguments]) == 2
        return capsys.readouterr().err

    bare, few = write_people(tmp_path / "bare", 3, ""), write_people(tmp_path / "few", 2, "")
    known = ["--checkpoint", trained_checkpoint]
    assert "no [split]: add one" in error_output(*command(known, bare, tmp_path / "a"))
    assert "2 subjects (p" in error_output(*command(known, few, tmp_path / "a", "--folds", "leave-subject-out"))
    again = error_output(*command(["--checkpoint", uninterrupted / "adapted.pt"], people, tmp_path / "a"))
    assert "has learnt from people already (p1, p2, p3, p4)" in again
    other = error_output(*command(["--bundle", SHIPPED], people, uninterrupted))
    assert "holds results with another training; name another folder" in other
    assert not (tmp_path / "a").exists()
    for wrong in (["--shipped", *known], [], [*known, "--first", "0"], [*known, "--folds", "by-window"]):
        with pytest.raises(SystemExit):
            finetune.main(command(wrong, people, tmp_path / "a"))


def test_folds_of_another_kind(people):
    data = load_dataset(people)
    assert len(data.folds) == 4
    assert len(with_split(data, Holdout()).folds) == 1


def test_a_split_by_trial_is_refused(people):
    data = load_dataset(people)
    fold = Fold(("1", "2"), ("3",), ("4",), "trial")
    with pytest.raises(InputError, match=r"people is split by trial: .* use --folds"):
        finetune.make_config(None, replace(data, folds=(fold,)), None)


def test_mean_row_ignores_unknown_values():
    rows = [{"pcc": 0.5, "mdr": None}, {"pcc": 0.9, "mdr": 0.2}, {"pcc": 1.0, "mdr": None}]
    assert finetune.mean_row(rows) == {"pcc": 0.8, "mdr": 0.2}
    assert finetune.mean_row(rows[::2]) == {"pcc": 0.75, "mdr": None}
