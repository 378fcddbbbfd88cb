"""Every reader accepts text files with a byte order mark and CR LF line ends, as Windows editors write them."""

from pathlib import Path

import numpy as np
import pytest

from edge.mqtt.settings import load_broker
from edge.personal.delay_file import StoredDelay, load_delay
from edge.personal.reference import load_reference
from edge.radar.calibration_file import calibration_text, load_calibration
from edge.radar.dca1000.control import CardConfig, load_card
from edge.runtime.config import load_config
from edge.runtime.hub_config import load_hub_config
from edge.web.access import read_token
from train.data.dataset import describe
from train.data.readers.own import Person, _person
from train.training.config import load_train_config

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["utf-8-sig", "utf-16"])
def save(request, tmp_path):
    """Return a function that writes a text as such an editor does and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "file.toml"
        path.write_bytes(text.replace("\n", "\r\n").encode(request.param))
        path.chmod(0o600)  # some files hold secrets
        return path

    return write


def test_settings(save):
    assert load_config(save('device = "bed-1"\n[radar]\ncfg = "a.cfg"\n'), {}).device == "bed-1"
    assert load_hub_config(save('[mqtt]\nhost = "broker"\n'), {}).mqtt.host == "broker"


def test_a_password(save, tmp_path):
    (tmp_path / "hub.toml").write_text('[mqtt]\nusername = "hub"\npassword_file = "file.toml"\n')
    save("geheim\n")
    hub = load_hub_config(tmp_path / "hub.toml", {})
    assert load_broker(hub.mqtt, tmp_path / "hub.toml").password == "geheim"


def test_a_token(save):
    assert read_token(save("q3JZ8vYwLxN0tR5sKf7HdA2uEcPb9mWg\n")) == "q3JZ8vYwLxN0tR5sKf7HdA2uEcPb9mWg"


def test_the_card_s_settings(save):
    assert load_card(save((ROOT / "firmware_config" / "dca1000.toml").read_text())) == CardConfig()


def test_a_calibration(save, mmecg):
    factors = tuple(complex(k, 1) for k in range(12))
    found = load_calibration(save(calibration_text(mmecg, 0.05, factors, "a board's")), mmecg)
    assert found.range_bias_m == 0.05
    np.testing.assert_allclose(found.factors, factors)


def test_a_person_s_delay_and_a_reference(save):
    assert load_delay(save(f'delay_ms = 31.5\nnetwork = "{"a" * 64}"\n')) == StoredDelay(0.0315, "a" * 64)
    np.testing.assert_allclose(load_reference(save("time\n3.5\n4.4\n5.2\n"), 1e9), 1e9 + np.array([3.5, 4.4, 5.2]))


def test_a_data_set_a_training_and_a_person(save):
    assert describe(save('name = "a"\nreader = "own"\npath = "."\n')).reader == "own"
    assert load_train_config(save((ROOT / "train" / "presets" / "tiny.toml").read_text())).model == "compact"
    assert _person(save('subject = "p1"\n')) == Person("p1")
