"""What a device does before its runtime: build the engine that its settings name, where none fits."""

import shutil
import sys
from pathlib import Path

import pytest

from edge.inference.bundle import SHIPPED
from export import ensure_engine
from tests.helpers.pycuda_on_cpu import OneDevice
from tests.helpers.tensorrt_watched import watched

rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed; it is for x86-64 Linux")


def settings(folder: Path, network: str) -> str:
    path = folder / "radarecg.toml"
    path.write_text(f'device = "radar-0001"\n[radar]\ncfg = "x.cfg"\n[network]\n{network}\n')
    return str(path)


@pytest.fixture
def wanted(tmp_path, monkeypatch) -> str:
    """Settings on a 'Jetson', for a copy of the bundle that comes along."""
    shutil.copytree(SHIPPED, tmp_path / "compact")
    monkeypatch.setitem(sys.modules, "tensorrt", watched(rtx, set()))
    monkeypatch.setitem(sys.modules, "pycuda.driver", OneDevice(tmp_path).driver)
    return settings(tmp_path, 'bundle = "compact"\nbackend = "tensorrt"\nengine = "x.engine"')


@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
def test_the_first_start_builds_with_progress_and_the_second_finds_it(wanted, tmp_path, capsys):
    assert ensure_engine.main([wanted]) == 0
    printed = capsys.readouterr()
    assert "x.engine: cannot be read" in printed.err
    assert "TensorRT: Building engine: 3 of 6\n" in printed.err
    assert "x.engine: fp16, 50 points" in printed.out
    assert "x-fp32.engine: fp32, 50 points" in printed.out
    assert ensure_engine.main([wanted]) == 0
    assert capsys.readouterr() == ("", "")
    with (tmp_path / "compact" / "bundle.json").open("a") as description:
        description.write("\n")  # another network
    assert ensure_engine.main([wanted]) == 0
    assert capsys.readouterr().err.count("built for bundle") == 2
    shutil.copy(SHIPPED / "bundle.json", tmp_path / "compact")  # the one before
    assert ensure_engine.main([wanted]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("the engine before it fits again and was restored") == 2
    assert printed.out == ""


def test_without_tensorrt_in_the_settings_nothing_is_needed(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    for backend in ("onnxruntime", "none"):
        assert ensure_engine.main([settings(tmp_path, f'backend = "{backend}"')]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ('backend = "tensorrt"', "needs a file for its engine"),
        ('backend = "tensorrt"\nengine = "x.engine"', "TensorRT is not installed"),
        ('backend = "tensorrt"\nengine = "x.engine"\nbundle = "nowhere"', "no such bundle"),
        ('backend = "cuda"', "Invalid enum value"),
    ],
)
def test_what_keeps_it_from_being_built_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, network, message):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert ensure_engine.main([settings(tmp_path, network)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
