"""Tests what a training learns from: open real people beside simulated ones, and nobody who is for testing."""

import numpy as np
import pytest

from edge.core.errors import InputError
from tests.helpers.people import write_people
from tests.train.data.readers.test_mscardio import write_person
from train.data.dataset import load_dataset
from train.training.config import Data, Motion, TrainConfig, Training
from train.training.setup import make_trainer

PEOPLE = range(1, 9)
CONFIG = TrainConfig(Data("people", motion=Motion("mscardio", 0.5), points=2), Training(epochs=1, steps=2, batch=4))


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    for number in PEOPLE:
        write_person(folder, number)
    found = {}
    for reader in ("mscardio", "mscardio_test"):
        path = folder / f"{reader}.toml"
        path.write_text(f'name = "{reader}"\nreader = "{reader}"\npath = "."\n[split]\nkind = "holdout"\n')
        found[reader] = load_dataset(path)
    return load_dataset(write_people(folder / "people")), found["mscardio"], found["mscardio_test"]


@pytest.fixture(scope="module")
def trainer(sets, tmp_path_factory):
    people, motion, _ = sets
    made = make_trainer(CONFIG, people, tmp_path_factory.mktemp("run"), motion=motion)
    made.train()
    return made


def test_nobody_with_an_odd_number_is_learnt_from_or_selects_the_epoch(sets, trainer):
    learnt = trainer.provenance["before"]["mscardio"]
    assert learnt
    assert all(int(number) % 2 == 0 for number in learnt)
    assert not set(learnt) & set(sets[1].folds[0].test)
    batches = (trainer._train_batches, *trainer._validation_sets)
    sources = [source for each in batches for batch in each.sample_evenly(200) for source in batch.source]
    numbers = {source.split("-")[1] for source in sources if source.startswith("mscardio-")}
    assert numbers == set(learnt)


def test_people_for_testing_are_refused(sets, tmp_path):
    people, _, testing = sets
    for pair in ((people, testing), (testing, None)):
        with pytest.raises(InputError, match="for testing only"):
            make_trainer(CONFIG, pair[0], tmp_path, motion=pair[1])


def test_motion_trains_anchors_and_cycles_and_selects_the_epoch(trainer):
    (batch,) = trainer._train_batches.draw(0, range(1))
    is_motion = np.array([source.startswith("mscardio-") for source in batch.source])
    assert np.isnan(batch.piece[is_motion]).all()
    assert np.isfinite(batch.cycle).all()
    (epoch,) = trainer.history
    assert epoch["validation_2_ecg"] == 0
    assert epoch["validation_2_anchor"] > 0
    losses = [epoch[f"validation_{part}{task}"] for part in ("", "2_") for task in ("ecg", "anchor", "cycle")]
    assert epoch["score"] == pytest.approx(np.log(np.maximum(losses, 1e-9)).sum())
