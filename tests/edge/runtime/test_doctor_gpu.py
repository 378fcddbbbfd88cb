"""`radarecg doctor --gpu` on the stand-in driver, as a user types it."""

import sys

import pytest

from edge.__main__ import main
from tests.helpers import tensorrt_on_cpu
from tests.helpers.cuda_stand_in import RTX_3060
from tests.helpers.engines import write_stand_in_engine

POINTS = 2  # the usual 50 take seconds on a CPU


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    """Of what a slow machine says about its speed, nothing is tested."""
    for name, value in (("POINTS", POINTS), ("WINDOWS_TIMED", 1), ("MAX_INFERENCE_S", 1e9)):
        monkeypatch.setattr(f"edge.runtime.doctor_gpu.{name}", value)


@pytest.fixture
def settings(gpu, compact_bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_on_cpu.module())
    gpu.prepare()
    write_stand_in_engine(tmp_path / "x.engine", compact_bundle, POINTS)
    path = tmp_path / "radarecg.toml"
    path.write_text(
        'device = "r"\n[radar]\ncfg = "x.cfg"\n'
        f'[network]\nbackend = "tensorrt"\nbundle = "{compact_bundle}"\nengine = "x.engine"\n'
    )
    return path


def test_a_good_gpu_with_its_engine(settings, capsys):
    assert main(["doctor", "--gpu", "--config", str(settings)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(None, 1)[0] for line in lines] == ["ok"] * 5
    assert "CPU, compute capability 8.7, CUDA 12.6" in lines[0]
    assert "8 multiprocessors, 163 KB of shared memory a block (the SST's spectrogram is in shared memory)" in lines[1]
    assert "NVRTC compiles the SST: 65 KB" in lines[2]
    assert "a window of 2 points agrees with the CPU's" in lines[3]
    assert "ms a window, its ECG differs by" in lines[4]


@pytest.mark.slow  # the default tests of the ladder have a wrong engine
def test_an_engine_with_wrong_numbers_fails(settings, capsys, monkeypatch):
    def run(self, _data):
        for values in self._memory.values():
            values[:] = 1.5

    monkeypatch.setattr(tensorrt_on_cpu.IExecutionContext, "_run", run)
    assert main(["doctor", "--gpu", "--config", str(settings)]) == 1
    assert "FAIL  engine" in capsys.readouterr().out


def test_a_gpu_with_wrong_numbers_fails(gpu, capsys, monkeypatch):
    gpu.prepare()
    monkeypatch.setattr("edge.gpu.sst.Build.gain", property(lambda build: build.wavelets.gain.repeat(2)))
    assert main(["doctor", "--gpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "FAIL  GPU SST" in lines[3]
    assert "of a window differ from the CPU's" in lines[3]
    assert lines[4].startswith("warn  engine")


@pytest.mark.slow  # the default tests of the SST compute with such a card
def test_a_card_with_little_shared_memory_is_good_enough(gpu, capsys):
    gpu.card = RTX_3060
    gpu.prepare()
    assert main(["doctor", "--gpu"]) == 0
    assert "99 KB of shared memory a block (the SST's spectrogram is in global memory)" in capsys.readouterr().out


def test_without_pycuda_all_checks_fail_and_say_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    assert main(["doctor", "--gpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(None, 1)[0] for line in lines] == ["FAIL"] * 4 + ["warn"]
    assert "pip install '.[jetson]'" in lines[0]
