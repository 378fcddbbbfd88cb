"""Tests that the comparators are trained, resumed and measured with the commands of all networks."""

import json

import numpy as np
import pytest
import torch

from edge.core.errors import InputError
from tests.conftest import ROOT
from tests.helpers.oracle import shaking_chest
from tests.helpers.people import write_people
from train import __main__ as training
from train import compare, evaluate
from train.comparators import COMPARATORS
from train.comparators.mmecg import SEGMENT, mmecg
from train.comparators.radarode import WINDOW, long_term
from train.comparators.segments import Segments, normalised
from train.comparators.training import LongTermTrainer, MmecgTrainer
from train.data.dataset import Recording
from train.data.labels import clean_ecg, label
from train.data.trial import Trial
from train.training.config import Data, Strategy, TrainConfig, Training, load_train_config


@pytest.fixture(scope="module")
def recordings():
    trial = shaking_chest()
    return [Recording(trial, label(trial))]


def settings(folder, model, people, training="epochs = 1\nsteps = 2\nbatch = 2"):
    path = folder / f"{model}.toml"
    path.write_text(f'model = "{model}"\n[data]\nset = "{people}"\npoints = 3\n[training]\n{training}\n')
    return path


def config(model, **changes):
    return TrainConfig(
        Data("none", points=2, augment=False),
        Training(2, 12, batch=4, clip_norm=0, **changes),
        model,
        strategy=Strategy("ew"),
    )


@pytest.mark.slow  # 24 steps of a large network; the default run trains it with the command
def test_training_reduces_the_loss_of_mmecg(recordings, tmp_path):
    segments = Segments(recordings, SEGMENT, 2, augment=False)
    torch.manual_seed(1)
    trainer = MmecgTrainer(config("mmecg_direct", learning_rate=5e-3), tmp_path, mmecg(2, False), (segments,) * 2, {})
    trainer.train()
    assert trainer.history[0]["train_ecg"] < 6  # from a uniform distribution: ln 256 is 5.5
    assert trainer.history[-1]["train_ecg"] < trainer.history[0]["train_ecg"] - 0.3


def test_training_reduces_the_loss_of_radarodes_long_term_stage(recordings, tmp_path):
    torch.manual_seed(1)
    segments = Segments(recordings, WINDOW, 2, augment=False, references=[np.zeros(8000)])
    trainer = LongTermTrainer(config("radarode"), tmp_path, long_term(2), (segments, segments), {})
    trainer.train()
    assert trainer.history[-1]["validation_ecg"] < 0.6 * trainer.history[0]["train_ecg"]


def test_segments_are_synchronous_and_of_unit_power(recordings):
    """Each point, with and without augmentation; the ECG is the labels', at the same samples as the RCG."""
    trial = recordings[0].trial
    ecg = clean_ecg(trial.ecg, recordings[0].labels.beats)
    for augment in (False, True):
        batch = Segments(recordings, SEGMENT, 2, augment).draw(np.random.default_rng(1), 6)
        assert batch.rcg.square().mean(-1).numpy() == pytest.approx(1, abs=1e-4)
        assert batch.ecg.shape == (6, SEGMENT)
    plain = Segments(recordings, SEGMENT, 2, False, references=[np.arange(8000.0)])
    batch = plain.draw(np.random.default_rng(2), 5)
    at = batch.reference[:, 0].numpy().astype(int)
    assert (np.diff(at, axis=1) == 1).all()
    np.testing.assert_array_equal(batch.ecg.numpy(), ecg[at])


def test_a_point_without_signal_stays_zero():
    assert (normalised(np.zeros((2, 3, 10), np.float32)) == 0).all()


def test_commands_train_resume_and_evaluate(tmp_path, capsys):
    people = write_people(tmp_path / "people")
    path = settings(tmp_path, "mmecg", people)
    run = ["--config", str(path), "--out", str(tmp_path / "run")]
    assert training.main(run) == 0
    first = json.loads((tmp_path / "run" / "figures.json").read_text())
    assert first["rows"]["all"]["windows"] > 0
    assert (tmp_path / "run" / "reconstructions.png").exists()
    weights = (tmp_path / "run" / "last.pt").read_bytes()
    assert training.main(run) == 0  # complete: it is evaluated again
    assert (tmp_path / "run" / "last.pt").read_bytes() == weights
    assert json.loads((tmp_path / "run" / "figures.json").read_text()) == first
    capsys.readouterr()
    checkpoint = str(tmp_path / "run" / "best.pt")
    assert evaluate.main(["--checkpoint", checkpoint, "--data", str(people), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["long_pcc"] == first["rows"]["all"]["long_pcc"]


@pytest.mark.slow  # the generator has the 29 M parameters of the paper's network
def test_radarode_is_trained_in_two_stages(tmp_path):
    people = write_people(tmp_path / "people")
    path = settings(tmp_path, "radarode", people, "epochs = 1\nsteps = 1\nbatch = 2")
    assert training.main(["--config", str(path), "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "generator" / "best.pt").exists()
    assert json.loads((tmp_path / "run" / "figures.json").read_text())["rows"]["all"]["windows"] > 0


def test_a_comparator_has_no_strategies_to_compare(tmp_path, capsys):
    path = settings(tmp_path, "mmecg", write_people(tmp_path / "people"))
    options = ["--seeds", "1", "--processes", "1", "--out", str(tmp_path / "x")]
    assert compare.main(["--preset", str(path), *options]) == 2
    assert "no network 'mmecg' with three tasks" in capsys.readouterr().err


def test_recordings_without_an_ecg_are_an_error(recordings):
    trial = recordings[0].trial
    bare = Trial("bare", "x", trial.rcg, r_peaks_s=trial.r_peaks_s)
    with pytest.raises(InputError, match="bare has no ECG"):
        Segments([Recording(bare, label(bare))], SEGMENT, 2, False)


def test_every_comparator_has_a_preset():
    models = {load_train_config(path).model for path in (ROOT / "train" / "presets").glob("*.toml")}
    assert set(COMPARATORS) <= models
