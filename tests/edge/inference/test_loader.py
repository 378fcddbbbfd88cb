"""The runtime's network: from the settings to something that answers."""

import numpy as np
import pytest

from edge.core.spec import SST_DEFAULT
from edge.inference.backends.base import BackendError
from edge.inference.bundle import BundleError
from edge.inference.loader import BACKENDS, load_network
from edge.runtime.config import Config, NetworkConfig, RadarConfig, load_config, network_of


def config(**network):
    return Config(device="radar-1", radar=RadarConfig(cfg="x.cfg"), network=NetworkConfig(**network))


def said_by(network, channels):
    """Of a window of noise."""
    segment = np.random.default_rng(0).standard_normal((channels, SST_DEFAULT.segment)).astype("f")
    window, outputs = network.begin(channels)(segment)
    assert window.values.shape == (channels, 71, 120)
    return outputs


def test_a_bundle_of_ones_own_answers_and_has_a_name(compact_bundle):
    network = network_of(config(bundle=compact_bundle.name), compact_bundle.parent / "radarecg.toml")
    assert network.name.startswith("compact-")
    assert network.name.endswith(network.sha256[:8])
    assert said_by(network, 5).ecg.shape == (200,)


def test_the_shipped_bundle_runs():
    assert said_by(load_network(), 50).anchor.sum() == pytest.approx(1, abs=1e-4)


def test_the_settings_say_how_many_cores(compact_bundle):
    network = network_of(config(bundle=compact_bundle.name, threads=2), compact_bundle.parent / "radarecg.toml")
    assert network.predict._session.get_session_options().intra_op_num_threads == 2


def test_none_is_none(tmp_path):
    assert network_of(config(backend="none"), tmp_path / "radarecg.toml") is None


def test_tensorrt_asks_for_an_engine(compact_bundle):
    with pytest.raises(BackendError, match="build_engine"):
        load_network(compact_bundle, "tensorrt")


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises((BundleError, FileNotFoundError), match="nowhere"):
        network_of(config(bundle="nowhere"), tmp_path / "radarecg.toml")


@pytest.mark.parametrize("backend", [*BACKENDS, "none"])
def test_every_backend_can_be_set(tmp_path, backend):
    path = tmp_path / "radarecg.toml"
    path.write_text(f'device = "r"\n[radar]\ncfg = "x.cfg"\n[network]\nbackend = "{backend}"\n')
    assert load_config(path).network.backend == backend
