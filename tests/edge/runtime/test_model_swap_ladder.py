"""A network that fails on its backend while the device runs: it steps down the ladder, and returns."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.spec import SST_DEFAULT
from edge.dsp.sst.transform import HOP, Sst
from edge.ecg.reconstructor import NoNetworkError
from edge.inference.backends.base import BackendError
from edge.inference.loader import BACKENDS, load_network
from edge.runtime import model_swap as swap
from edge.runtime.config import load_config
from edge.runtime.model_swap import SwappableNetwork
from tests.helpers.publishing import wait

NOISE = np.random.default_rng(0).standard_normal((3, SST_DEFAULT.segment + 4 * HOP)).astype("f")
SEGMENTS = [NOISE[:, start : start + SST_DEFAULT.segment] for start in range(0, 5 * HOP, HOP)]


class Backend:
    """The network on a backend that can be told to fail."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.not_finite = False
        self.network = load_network()

    def __call__(self, values):
        if self.failure:
            raise self.failure
        outputs = self.network.predict(values)
        return [replace(one, ecg=one.ecg * np.nan) for one in outputs] if self.not_finite else outputs


@pytest.fixture
def ladder(tmp_path, monkeypatch):
    """A network on a stand-in for the backend tensorrt, whose float32 engine does not exist."""
    backend = Backend()

    def tensorrt(bundle, engine, threads):
        if not engine.exists():
            raise BackendError(f"{engine}: cannot be read")
        return backend, None

    monkeypatch.setitem(BACKENDS, "tensorrt", tensorrt)
    monkeypatch.setattr(swap, "POLL_INTERVAL_S", 0.02)
    path = tmp_path / "radarecg.toml"
    path.write_text('device = "r"\n[radar]\ncfg = "x"\n[network]\nbackend = "tensorrt"\nengine = "x.engine"\n')
    (tmp_path / "x.engine").touch()
    network = SwappableNetwork(load_config(path), path)
    network.backend, network.changes, network.path = backend, [], path
    yield network
    network.close()


def watch(ladder) -> None:
    ladder.watch(lambda now, refused: ladder.changes.append((now.rung, now.fallback, refused)))


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (BackendError("the GPU reports: illegal address"), "the GPU reports: illegal address"),
        (RuntimeError("a bug"), "RuntimeError: a bug"),
        (None, "its outputs are not finite"),
    ],
)
def test_a_backend_that_fails_repeatedly_steps_down(ladder, failure, reason, caplog):
    watch(ladder)
    infer = ladder.begin(3)
    assert infer(SEGMENTS[0])[1].finite
    assert ladder.gauges() == {"network_steps_down": 0}
    ladder.backend.failure, ladder.backend.not_finite = failure, failure is None
    assert [infer(segment)[1].finite for segment in SEGMENTS[1:4]] == [False, False, True]
    ((rung, fallback, refused),) = ladder.changes
    assert (rung, refused) == ("onnxruntime", None)
    assert fallback.startswith(f"tensorrt: {reason} | tensorrt-fp32: ")
    assert ladder.gauges() == {"network_steps_down": 2}
    assert "the network stepped down from tensorrt to onnxruntime" in caplog.text
    window, outputs = infer(SEGMENTS[4])
    np.testing.assert_allclose(window.values, Sst(3)(SEGMENTS[4]).values, atol=1e-5)
    assert outputs.finite


def test_failures_far_apart_are_no_reason_to_step_down(ladder, monkeypatch):
    monkeypatch.setattr(swap, "PROBATION_WINDOWS", 3)
    watch(ladder)
    infer = ladder.begin(3)
    for failures in (2, 2, 2):
        ladder.backend.failure = BackendError("busy")
        assert not any(infer(SEGMENTS[0])[1].finite for _ in range(failures))
        ladder.backend.failure = None
        assert infer(SEGMENTS[1])[1].finite
    assert ladder.changes == []


def test_a_backend_that_is_too_slow_steps_down_and_the_cpu_is_not_too_slow_to_be_next(ladder, monkeypatch):
    watch(ladder)
    infer = ladder.begin(3)
    with monkeypatch.context() as patch:
        patch.setattr(swap, "MAX_INFERENCE_S", 0.0)
        with pytest.raises(NoNetworkError):  # the CPU is too slow for this limit, too
            infer(SEGMENTS[0])
    assert [rung for rung, _, _ in ladder.changes] == ["onnxruntime", "none"]
    assert "onnxruntime: it took" in ladder.changes[1][1]
    with pytest.raises(NoNetworkError):
        infer(SEGMENTS[1])
    assert ladder.gauges() == {"network_steps_down": 3}


def test_an_engine_that_is_built_meanwhile_is_used(ladder):
    ladder.backend.failure = BackendError("broken")
    infer = ladder.begin(3)
    for segment in SEGMENTS[:3]:
        infer(segment)
    assert ladder.active.rung == "onnxruntime"
    watch(ladder)
    ladder.backend.failure = None
    (ladder.path.parent / "x.engine").write_bytes(b"new")
    wait(lambda: ladder.changes)
    assert ladder.changes == [("tensorrt", None, None)]
    assert infer(SEGMENTS[3])[1].finite
    assert ladder.gauges() == {"network_steps_down": 0}


def test_a_new_network_may_not_lower_the_rung(ladder):
    watch(ladder)
    (ladder.path.parent / "x.engine").unlink()
    wait(lambda: ladder.changes)
    ((rung, fallback, refused),) = ladder.changes
    assert (rung, fallback) == ("tensorrt", None)
    assert "x.engine: cannot be read" in refused
    assert ladder.begin(3)(SEGMENTS[0])[1].finite
