"""Tests the training loop: resumption, errors that stop it, and the integrity of checkpoints."""

import copy
import json
import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest
import torch

from edge.core.errors import InputError
from edge.core.spec import SST_DEFAULT
from tests.conftest import ROOT
from tests.helpers.disk import full_disk
from tests.helpers.people import write_people
from train.data.dataset import Recording
from train.data.labels import label
from train.data.trial import Trial
from train.training import checkpoint
from train.training.batches import Batches
from train.training.checkpoint import CheckpointError
from train.training.config import Data, Strategy, TrainConfig, TrainConfigError, Training, load_train_config
from train.training.loop import TASKS, Trainer, task_losses
from train.training.resumable import TrainingError

CONFIG = TrainConfig(Data("none"), Training(epochs=2, steps=2, batch=4))


@pytest.fixture(scope="module")
def recordings():
    """Two chests that shake at their R peaks."""
    made = []
    for number in range(2):
        r = 100.0 + np.cumsum(150 + 30 * np.sin(np.arange(24) + number))
        t = np.arange(4000.0)
        rcg = sum(np.exp(-0.5 * ((t - beat) / 4) ** 2) for beat in r) * np.ones((3, 1))
        rcg = rcg + 0.01 * np.random.default_rng(number).standard_normal((3, 4000))
        trial = Trial(f"chest{number}", f"s{number}", rcg.astype(np.float32), r_peaks_s=r / 200)
        made.append(Recording(trial, label(trial)))
    return made


def run(recordings, folder, config=CONFIG):
    folder.mkdir(exist_ok=True)
    learn, check = (Batches([r], config.training.batch, 2, augment, 1, SST_DEFAULT)
                    for r, augment in zip(recordings, (True, False), strict=True))  # fmt: skip
    return Trainer(config, folder, learn, [check], {"data": "chests"})


@pytest.fixture(scope="module")
def finished(recordings, tmp_path_factory):
    """Folder of a finished run; tests must not write to it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    run(recordings, folder).train()
    return folder


def stop_after_an_epoch(monkeypatch):
    real = Trainer._save_epoch

    def save_and_stop(self, writer):
        real(self, writer)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_save_epoch", save_and_stop)


@pytest.mark.parametrize("strategy", ["ega", *(pytest.param(name, marks=pytest.mark.slow) for name in ("uw", "dwa"))])
def test_a_resumed_run_gives_the_same_result(recordings, tmp_path, monkeypatch, strategy):
    config = msgspec.structs.replace(CONFIG, strategy=Strategy(strategy))
    uninterrupted = run(recordings, tmp_path / "uninterrupted", config)
    uninterrupted.train()
    with monkeypatch.context() as patch:
        stop_after_an_epoch(patch)
        with pytest.raises(KeyboardInterrupt):
            run(recordings, tmp_path / "stopped", config).train()
    later = run(recordings, tmp_path / "stopped", config)
    assert len(later.history) == 1
    later.train()
    assert later.history == uninterrupted.history
    for name, value in uninterrupted.network.state_dict().items():
        assert torch.equal(value, later.network.state_dict()[name]), name


def test_training_reduces_the_loss(recordings, tmp_path):
    learner = run(
        recordings, tmp_path / "run", msgspec.structs.replace(CONFIG, training=Training(epochs=2, steps=6, batch=4))
    )
    learner.train()
    assert learner.history[-1]["train_anchor"] < learner.history[0]["train_anchor"]
    assert (tmp_path / "run" / "best.pt").exists()
    best = checkpoint.load_checkpoint(tmp_path / "run" / "best.pt", "compact")
    assert best.provenance["data"] == "chests"
    assert best.network().encoder is not None


def test_the_papers_recipe_is_torchs_sgd_step_by_step(recordings, tmp_path):
    """The same weights as the plain sum of the losses, torch's SGD and its cosine give, which know nothing of tasks."""
    paper = load_train_config(ROOT / "train/presets/paper.toml").training
    training = msgspec.structs.replace(paper, epochs=2, steps=2, batch=4)
    config = msgspec.structs.replace(CONFIG, training=training, strategy=Strategy("ew"))
    learner = run(recordings, tmp_path / "run", config)
    plain = copy.deepcopy(learner.network)
    learner.train()

    optimizer = torch.optim.SGD(plain.parameters(), lr=5e-3, momentum=0.937, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    batches = Batches([recordings[0]], 4, 2, True, 1, SST_DEFAULT)
    for epoch in range(2):
        for batch in batches.draw(epoch, range(2)):
            optimizer.zero_grad()
            sum(task_losses(plain.train()(torch.from_numpy(batch.x)), batch).values()).backward()
            optimizer.step()
            schedule.step()
    for (name, ours), theirs in zip(learner.network.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)  # sums in another order, four steps


@pytest.mark.parametrize(("clip_norm", "is_clipped"), [(5.0, True), (0.0, False)])
def test_gradients_are_clipped_if_the_settings_ask_for_it(recordings, tmp_path, monkeypatch, clip_norm, is_clipped):
    monkeypatch.setattr("train.training.loop.ecg_loss", lambda piece, target: 1e4 * piece.square().mean())
    norms = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            norms.append(torch.cat([p.grad.flatten() for g in self.param_groups for p in g["params"]]).norm())

    monkeypatch.setattr(torch.optim, "SGD", Watched)
    training = Training(epochs=1, steps=1, batch=4, optimizer="sgd", clip_norm=clip_norm)
    run(recordings, tmp_path / "run", msgspec.structs.replace(CONFIG, training=training)).train()
    (norm,) = norms
    assert (norm < 5.001) == is_clipped


@pytest.mark.slow  # on a CPU bfloat16 takes longer than float32
def test_bfloat16_is_a_setting_and_float32_the_default(recordings, tmp_path, finished):
    """bfloat16 has 8 bits: the losses of the first step are near, and not the same."""
    assert CONFIG.training.precision == "fp32"
    half = msgspec.structs.replace(CONFIG.training, precision="bf16")
    learner = run(recordings, tmp_path / "run", msgspec.structs.replace(CONFIG, training=half))
    learner.train()
    assert all(parameter.dtype == torch.float32 for parameter in learner.network.parameters())
    single = json.loads((finished / "history.json").read_text())
    for task in TASKS:
        ours, theirs = learner.history[0][f"train_{task}"], single[0][f"train_{task}"]
        assert ours != theirs or not theirs  # a task may have no label in so few windows
        assert ours == pytest.approx(theirs, rel=0.1)  # over an epoch of two steps, each with some 30 layers


def test_other_settings_do_not_go_on_with_it(recordings, finished):
    with pytest.raises(TrainingError, match="other settings"):
        run(recordings, finished, msgspec.structs.replace(CONFIG, seed=2))


def test_a_window_that_is_not_finite_stops_the_run_by_name(recordings, tmp_path, monkeypatch):
    real = Batches.draw

    def broken(self, epoch, batches):
        for batch in real(self, epoch, batches):
            batch.x[2, 0, 5, 7] = np.nan
            yield batch

    monkeypatch.setattr(Batches, "draw", broken)
    with pytest.raises(TrainingError, match=r"epoch 1, step 1: the spectrogram of chest0, window \d+ is not finite"):
        run(recordings, tmp_path / "run").train()


def test_a_loss_that_is_not_finite_stops_the_run_by_task(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("train.training.loop.cycle_loss", lambda logits, cycle: logits.sum() * torch.nan)
    with pytest.raises(TrainingError, match=r"epoch 1, step 1 .*chest0, window.*loss of cycle is not finite"):
        run(recordings, tmp_path / "run").train()


def test_an_unknown_strategy_or_parameter_is_named(recordings, tmp_path):
    with pytest.raises(InputError, match="strategy 'best'; there are"):
        run(recordings, tmp_path / "a", msgspec.structs.replace(CONFIG, strategy=Strategy("best")))
    with pytest.raises(InputError, match=r"strategy 'ega': .*heat"):
        run(recordings, tmp_path / "b", msgspec.structs.replace(CONFIG, strategy=Strategy("ega", {"heat": 1.0})))


def test_every_preset_is_valid():
    for path in (ROOT / "train/presets").glob("*.toml"):
        assert load_train_config(path).training.epochs >= 1, path


def test_settings_are_checked(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[data]\nset = "x"\n[training]\nepochs = 2\nsteps = 3\n')
    assert load_train_config(path).training.steps == 3
    path.write_text('[data]\nset = "x"\n[training]\nepoch = 2\nsteps = 3\n')
    with pytest.raises(TrainConfigError, match=r"run.toml: .*epoch"):
        load_train_config(path)


def test_a_full_disk_leaves_the_checkpoint_before(finished):
    path = finished / "last.pt"
    before = path.read_bytes()
    with full_disk(), pytest.raises(OSError, match=r"last.pt.*File too large.*unchanged"):
        checkpoint.save(path, CONFIG, {}, {})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.glob("*.part")] == []


def test_what_is_no_checkpoint_is_refused(finished, tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"x.pt: not a checkpoint"):
        checkpoint.load_checkpoint(path)
    with pytest.raises(CheckpointError, match="a network 'compact', not 'reference'"):
        checkpoint.load_checkpoint(finished / "last.pt", "reference")
    monkeypatch.setattr("train.training.checkpoint.fingerprint", lambda spec: "0123456789abcdef")
    with pytest.raises(CheckpointError, match="made for the spec"):
        checkpoint.load_checkpoint(finished / "last.pt")


def test_weights_of_another_definition_of_the_network_are_refused(finished):
    old = checkpoint.load_checkpoint(finished / "last.pt")
    del old.state["network"]["decoders.0.score.bias"]
    with pytest.raises(CheckpointError, match=r"do not fit this version's network 'compact'; train again"):
        old.network()


def test_resuming_with_other_subjects_is_refused(recordings, finished):
    learn = Batches(recordings[:1], 4, 2, True, 1, SST_DEFAULT)
    with pytest.raises(TrainingError, match="train"):
        Trainer(CONFIG, finished, learn, learn, {"data": "chests", "train": ["somebody else"]})


@pytest.mark.slow  # three interpreters import torch
def test_two_processes_train_together(tmp_path):
    """To the end, with normalisations in the network and an early stop; one of them prints the result."""
    people = write_people(tmp_path / "people")
    config = tmp_path / "two.toml"
    config.write_text(
        f'[data]\nset = "{people}"\npoints = 3\n[training]\nepochs = 3\nsteps = 2\nbatch = 4\npatience = 1\n'
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "train", "--config", config, "--out", tmp_path / "run"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count('"hr_right"') == 1
    assert len(json.loads((tmp_path / "run" / "history.json").read_text())) >= 2
