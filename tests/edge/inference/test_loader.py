"""The runtime's network: from the settings to something that answers."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from edge.core.spec import SST_DEFAULT
from edge.gpu.context import cuda_context
from edge.inference.backends.base import BackendError
from edge.inference.bundle import BundleError
from edge.inference.loader import BACKENDS, load_network
from edge.inference.settings import NetworkConfig, load_configured_network
from edge.runtime.config import load_config


def load_from_settings(folder, **network):
    return load_configured_network(NetworkConfig(**network), folder / "radarecg.toml")


def said_by(network, channels):
    """Of a window of noise."""
    segment = np.random.default_rng(0).standard_normal((channels, SST_DEFAULT.segment)).astype("f")
    window, outputs = network.begin(channels)(segment)
    assert window.values.shape == (channels, 71, 120)
    return outputs


def test_a_bundle_of_ones_own_answers_and_has_a_name(compact_bundle):
    network = load_from_settings(compact_bundle.parent, bundle=compact_bundle.name)
    assert network.name.startswith("compact-")
    assert network.name.endswith(network.sha256[:8])
    assert said_by(network, 5).ecg.shape == (200,)


def test_the_shipped_bundle_runs():
    assert said_by(load_network(), 50).anchor.sum() == pytest.approx(1, abs=1e-4)


def test_the_settings_say_how_many_cores(compact_bundle):
    network = load_from_settings(compact_bundle.parent, bundle=compact_bundle.name, threads=2)
    assert network.predict._session.get_session_options().intra_op_num_threads == 2


def test_none_is_none(tmp_path):
    assert load_from_settings(tmp_path, backend="none") is None


def test_tensorrt_asks_for_an_engine(compact_bundle):
    with pytest.raises(BackendError, match="build_engine"):
        load_network(compact_bundle, "tensorrt")


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises((BundleError, FileNotFoundError), match="nowhere"):
        load_from_settings(tmp_path, bundle="nowhere")


def test_a_thread_of_its_own_has_a_cuda_context_as_long_as_it_needs_one(monkeypatch):
    """On a stand-in for PyCUDA, whose contexts belong to threads, and which aborts when a thread ends with one."""
    stacks: dict[int, list[str]] = {}

    def stack() -> list[str]:
        return stacks.setdefault(threading.get_ident(), [])

    primary = SimpleNamespace(push=lambda: stack().append("primary"), pop=lambda: stack().pop())
    current = SimpleNamespace(get_current=lambda: stack()[-1] if stack() else None)
    driver = SimpleNamespace(init=lambda: None, Error=OSError, Context=current)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    monkeypatch.setitem(sys.modules, "pycuda.autoprimaryctx", SimpleNamespace(context=primary))
    primary.push()  # as loading it for the first time does
    inside = []

    def load():
        with cuda_context():
            inside.append(list(stack()))
        inside.append(list(stack()))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert inside == [["primary"], []]
    load()
    assert inside[2:] == [["primary"], ["primary"]]


@pytest.mark.parametrize("backend", [*BACKENDS, "none"])
def test_every_backend_can_be_set(tmp_path, backend):
    path = tmp_path / "radarecg.toml"
    path.write_text(f'device = "r"\n[radar]\ncfg = "x.cfg"\n[network]\nbackend = "{backend}"\n')
    assert load_config(path).network.backend == backend
