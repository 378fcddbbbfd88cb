"""Whatever is wrong with a backend, the network runs on the next one that works, and the reason is reported."""

import sys
from pathlib import Path

import numpy as np
import pytest

from edge.core.settings import ConfigError
from edge.core.spec import SST_DEFAULT
from edge.inference.bundle import load_bundle
from edge.inference.ladder import PlacedNetwork, ladder_of, place_network, step_down
from edge.inference.settings import NetworkConfig, network_files
from tests.helpers import tensorrt_on_cpu
from tests.helpers.ladders import TENSORRT, stand_in_for_tensorrt, write_engine

PROBLEMS = {
    "engine absent": (lambda engine: engine.unlink(), "tensorrt-fp32", "x.engine: cannot be read"),
    "engine of another GPU": (
        lambda engine: write_engine(engine, multiprocessors=16),
        "tensorrt-fp32",
        "built for multiprocessors 16, found 8",
    ),
    "wrong numbers": (lambda engine: write_engine(engine, wrong=True), "tensorrt-fp32", "in fp16 differs by 0."),
    "wrong numbers in float32 too": (
        lambda engine: [
            write_engine(engine, wrong=True),
            write_engine(engine.with_name("x-fp32.engine"), "fp32", wrong=True),
        ],
        "onnxruntime",
        "in fp32 differs by 0.",
    ),
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    write_engine(folder / "x.engine")
    write_engine(folder / "x-fp32.engine", "fp32")
    return folder


@pytest.fixture
def device(engines, tmp_path, monkeypatch) -> Path:
    """The settings of a device with both engines; they may be damaged."""
    for file in engines.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    stand_in_for_tensorrt(monkeypatch)
    return tmp_path / "radarecg.toml"


def place(path: Path, config: NetworkConfig = TENSORRT) -> PlacedNetwork:
    files = network_files(config, path)
    return place_network(files.load_bundle(), files)


def assert_runs(placed: PlacedNetwork) -> None:
    segment = np.random.default_rng(0).standard_normal((50, SST_DEFAULT.segment)).astype("f")
    assert placed.network
    assert placed.network.begin(50)(segment)[1].finite


def test_without_a_problem_it_is_on_the_configured_backend(device):
    placed = place(device)
    assert (placed.rung, placed.steps_down, placed.fallback, placed.problems) == ("tensorrt", 0, None, ())
    assert_runs(placed)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_an_engine_that_cannot_be_used_is_one_step_down(device, problem):
    spoil, rung, reason = PROBLEMS[problem]
    spoil(device.with_name("x.engine"))
    placed = place(device)
    assert (placed.rung, placed.rungs[placed.steps_down]) == (rung, rung)
    assert len(placed.problems) == placed.steps_down
    assert placed.problems[0].startswith("tensorrt: ")
    assert reason in placed.problems[-1]
    assert placed.fallback == " | ".join(placed.problems)
    assert_runs(placed)


@pytest.mark.parametrize("module", ["pycuda.driver", "tensorrt"])
def test_without_driver_or_tensorrt_it_is_on_the_cpu(device, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    placed = place(device)
    assert (placed.rung, placed.steps_down) == ("onnxruntime", 2)
    assert_runs(placed)


@pytest.mark.parametrize("error", [MemoryError("out of memory"), RuntimeError("a bug"), OSError("no device")])
def test_what_a_library_raises_does_not_end_the_process(device, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(tensorrt_on_cpu.Runtime, "deserialize_cuda_engine", fail)
    placed = place(device)
    assert placed.rung == "onnxruntime"
    assert placed.problems[0] == f"tensorrt: {type(error).__name__}: {error}"


def test_a_cpu_that_is_too_slow_leaves_the_classical_rate(device, monkeypatch):
    monkeypatch.setattr("edge.inference.self_test.MAX_INFERENCE_S", 0.0)
    placed = place(device, NetworkConfig())
    assert (placed.rung, placed.steps_down, placed.network) == ("none", 1, None)
    assert "s per window, more than 0" in placed.fallback
    assert placed.name.startswith("compact-")


def test_a_step_down_continues_below_the_present_rung(device):
    files = network_files(TENSORRT, device)
    placed = step_down(place(device), files, "its outputs are not finite")
    assert (placed.rung, placed.fallback) == ("tensorrt-fp32", "tensorrt: its outputs are not finite")
    placed = step_down(step_down(placed, files, "b"), files, "c")
    assert (placed.rung, placed.network) == ("none", None)
    assert placed.fallback == "tensorrt: its outputs are not finite | tensorrt-fp32: b | onnxruntime: c"


def test_only_a_float32_bundle_has_a_float32_engine(half_bundle, compact_bundle, device):
    files = network_files(TENSORRT, device)
    assert ladder_of(load_bundle(half_bundle), files) == ("tensorrt", "onnxruntime", "none")
    assert ladder_of(load_bundle(compact_bundle), files) == ("tensorrt", "tensorrt-fp32", "onnxruntime", "none")
    assert ladder_of(load_bundle(compact_bundle), network_files(NetworkConfig(), device)) == ("onnxruntime", "none")


def test_invalid_settings_and_bundles_stay_errors(device):
    with pytest.raises(ConfigError, match="set engine under"):
        place(device, NetworkConfig(backend="tensorrt"))
    with pytest.raises(FileNotFoundError, match="nowhere: no such bundle"):
        place(device, NetworkConfig(bundle="nowhere", backend="tensorrt", engine="x.engine"))
