"""Engines, built for real by TensorRT-RTX, which needs no GPU; and what TensorRT's names are."""

import hashlib
import os
import signal
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import msgspec
import onnx
import pytest
import torch

import export
from edge.core.errors import InputError
from edge.inference import bundle
from edge.inference.backends import engine_file as engine
from export import build_engine, builder
from export.operators import ExportError, fixed
from tests.helpers import tensorrt_on_cpu
from tests.helpers.networks import exported_once
from tests.helpers.pycuda_on_cpu import driver_module
from tests.helpers.tensorrt_bindings import VERSIONS, members
from tests.helpers.tensorrt_watched import watched

rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed; it is for x86-64 Linux")


def test_a_network_that_tensorrt_cannot_parse_is_told_in_its_words():
    values = [onnx.helper.make_tensor_value_info(name, 1, [4]) for name in "xy"]
    node = onnx.helper.make_node("NoSuchThing", ["x"], ["y"], name="strange")
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:1], values[1:]))
    with pytest.raises(builder.BuildError, match=r"cannot parse the network: .*Plugin not found"):
        builder.build(rtx, model, 256, None, build_engine.CLOSEST_TO_ORIN)


def test_a_tensorrt_that_cannot_begin_is_told():
    def no_builder(log):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    broken = ModuleType("tensorrt")
    broken.__dict__.update(vars(rtx), Builder=no_builder)
    with pytest.raises(builder.BuildError, match="TensorRT cannot start: no reason given; check"):
        builder.build(broken, onnx.ModelProto(), 256, None)


@pytest.mark.slow  # builds an engine
def test_a_dry_run_says_that_it_is_one_and_writes_nothing(compact_bundle, capsys):
    before = sorted(compact_bundle.parent.iterdir())
    assert build_engine.main([os.fspath(compact_bundle), "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "fp16, 50 points: TensorRT-RTX" in output
    assert "nothing was written or run" in output
    assert sorted(compact_bundle.parent.iterdir()) == before


@pytest.mark.slow  # builds an engine
def test_a_dry_run_of_a_checkpoint_leaves_nothing_beside_it(trained_checkpoint, compact_bundle, capsys):
    before = sorted(trained_checkpoint.parent.iterdir())
    with exported_once(compact_bundle):
        assert build_engine.main([os.fspath(trained_checkpoint), "--dry-run", "--precision", "fp32"]) == 0
    assert "fp32, 50 points" in capsys.readouterr().out
    assert sorted(trained_checkpoint.parent.iterdir()) == before


def jetson(patch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """TensorRT-RTX as TensorRT until the patch ends, and the names that are used of it."""
    names: set[tuple[str, str]] = set()
    patch.setitem(sys.modules, "tensorrt", watched(rtx, names))
    patch.setitem(sys.modules, "pycuda.driver", driver_module())
    return names


@pytest.fixture
def on_jetson(monkeypatch) -> None:
    jetson(monkeypatch)


@pytest.fixture(scope="module")
def used(compact_bundle, tmp_path_factory) -> set[tuple[str, str]]:
    """What a build uses of TensorRT."""
    folder = tmp_path_factory.mktemp("used")
    with pytest.MonkeyPatch.context() as patch:
        names = jetson(patch)
        assert build_engine.main([os.fspath(compact_bundle), "--out", os.fspath(folder / "x.engine")]) == 0
    return names


@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
def test_an_engine_is_written_with_what_it_was_built_for(compact_bundle, tmp_path, on_jetson, capsys):
    out = tmp_path / "x.engine"
    assert build_engine.main([os.fspath(compact_bundle), "--precision", "fp32", "--out", os.fspath(out)]) == 0
    assert "x.engine: fp32, 50 points, TensorRT 10.3.0 on CPU" in capsys.readouterr().out
    loaded, here = bundle.load_bundle(compact_bundle), engine.Machine("10.3.0", "12.6", "CPU", "8.7", 8)
    content, about = engine.read_engine(out, loaded, here)
    assert (about.points, about.precision, about.machine, about.name) == (50, "fp32", here, "compact")
    assert {path.name for path in tmp_path.iterdir()} == {"x.engine", "x.engine.json", "x.timing"}
    with pytest.raises(InputError, match=r"built for TensorRT 10.3.0, found 10.16.2; build it here: python -m export"):
        engine.read_engine(out, loaded, msgspec.structs.replace(here, tensorrt="10.16.2"))
    assert hashlib.sha256(content).hexdigest() == about.sha256
    (tmp_path / "x.timing").write_bytes(b"damaged")
    assert build_engine.main([os.fspath(compact_bundle), "--precision", "fp32", "--out", os.fspath(out)]) == 0


@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
def test_an_interrupted_build_leaves_the_engine_before_as_it_was(
    compact_bundle, tmp_path, on_jetson, monkeypatch, capsys
):
    out = tmp_path / "x.engine"
    out.write_bytes(b"before")
    add_task = builder.Progress.add_task

    def interrupted(self, *arguments, **named):
        signal.raise_signal(signal.SIGINT)
        return add_task(self, *arguments, **named)

    monkeypatch.setattr(builder.Progress, "add_task", interrupted)
    assert build_engine.main([os.fspath(compact_bundle), "--out", os.fspath(out)]) == 130
    assert "interrupted; no engine was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x.engine"]
    assert out.read_bytes() == b"before"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
@pytest.mark.parametrize(
    "version", [VERSIONS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in VERSIONS[1:-1]), VERSIONS[-1]]
)
def test_every_name_used_is_in_every_jetpacks_tensorrt(used, request, version):
    try:
        known = members(version, request.config.cache.mkdir("tensorrt-bindings"))
    except OSError as error:
        pytest.skip(str(error))
    wanted = {(kind, name) for kind, names in tensorrt_on_cpu.OFFERED.items() for name in names} | used
    assert ("Builder", "build_serialized_network") in wanted
    assert {"IProgressMonitor", "ILogger", "NetworkDefinitionCreationFlag", "MemoryPoolType"} <= set(known)
    assert "STRONGLY_TYPED" in known["NetworkDefinitionCreationFlag"]
    assert "TF32" in known["BuilderFlag"]
    assert "DETAILED" in known["ProfilingVerbosity"]
    assert "JSON" in known["LayerInformationFormat"]
    assert "create_engine_inspector" in known["ICudaEngine"]
    assert "get_engine_information" in known["EngineInspector"]
    assert "WORKSPACE" in known["MemoryPoolType"]
    assert {"phase_start", "step_complete", "phase_finish"} <= set(known["IProgressMonitor"])
    assert {"log", "ERROR", "INTERNAL_ERROR"} <= set(known["ILogger"])
    assert {(kind, name) for kind, name in wanted if name not in known[kind]} == set()


LAYERS = """{"Layers": [
  {"Name": "conv", "Inputs": [], "Outputs": [{"Name": "a", "Dimensions": [1], "Format/Datatype": "Half"}]},
  {"Name": "pool", "Outputs": [{"Name": "b", "Format/Datatype": "Channel major FP16 format where channel % 4 == 0"}]},
  {"Name": "softmax", "Outputs": [{"Name": "c", "Format/Datatype": "Float"}]}
], "Bindings": ["spectrograms", "ecg"]}"""


def test_the_layers_and_their_precisions_are_listed_beside_the_engine(
    compact_bundle, tmp_path, on_jetson, monkeypatch, capsys
):
    """The list is TensorRT's; only loading an engine needs a GPU, so it is prescribed here."""
    asked = []

    def load(plan):
        asked.append(plan)
        inspector = SimpleNamespace(get_engine_information=lambda form: LAYERS if form == "JSON" else None)
        return SimpleNamespace(create_engine_inspector=lambda: inspector)

    trt = sys.modules["tensorrt"]
    monkeypatch.setattr(trt, "Runtime", lambda log: SimpleNamespace(deserialize_cuda_engine=load))
    monkeypatch.setattr(trt, "LayerInformationFormat", SimpleNamespace(JSON="JSON"))
    monkeypatch.setattr(build_engine, "build", lambda *_: b"plan")
    out = tmp_path / "x.engine"
    assert build_engine.main([os.fspath(compact_bundle), "--out", os.fspath(out)]) == 0
    assert asked == [b"plan"]
    assert engine.layers_path(out).read_text() == LAYERS
    assert "2 of 3 layers in half precision" in capsys.readouterr().out


@pytest.mark.parametrize("layers", ["", "[]", '{"Layers": ["conv", "softmax"]}', '{"Layers": [{"Outputs": [{}]}]}'])
def test_a_list_of_layers_in_another_form_is_not_counted(layers):
    assert builder.count_half_layers(layers) is None


@pytest.mark.parametrize("module", ["tensorrt", "tensorrt_rtx"])
def test_a_missing_tensorrt_is_told_in_one_line(compact_bundle, tmp_path, monkeypatch, capsys, module):
    monkeypatch.setitem(sys.modules, module, None)
    options = ["--dry-run"] if module == "tensorrt_rtx" else []
    assert build_engine.main([os.fspath(compact_bundle), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is not installed" in error


def test_a_checkpoint_without_torch_is_told_in_one_line(trained_checkpoint, monkeypatch, capsys):
    monkeypatch.delattr(export, "bundle")
    monkeypatch.setitem(sys.modules, "export.bundle", None)  # as where one of its imports fails
    assert build_engine.main([os.fspath(trained_checkpoint), "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert "pip install '.[export]' in radarecg's folder, or start from a bundle" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("out", ["none/x.engine", "file/x.engine", "."])
def test_a_place_that_cannot_be_written_to_is_told_before_the_build(
    compact_bundle, tmp_path, on_jetson, monkeypatch, capsys, out
):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(build_engine, "build", None)
    assert build_engine.main([os.fspath(compact_bundle), "--out", os.fspath(tmp_path / out)]) == 2
    error = capsys.readouterr().err
    assert "cannot be written" in error
    assert error.count("\n") == 1


def test_a_bundle_may_be_the_current_folder(bundle_copy, tmp_path, on_jetson, monkeypatch, capsys):
    monkeypatch.chdir(bundle_copy)
    monkeypatch.setattr(build_engine, "build", lambda *_: b"plan")
    assert build_engine.main(["."]) == 0
    assert f'engine = "{tmp_path}/compact-fp16.engine"' in capsys.readouterr().out
    assert (tmp_path / "compact-fp16.engine").read_bytes() == b"plan"


WRONG = {
    "nothing there": ("none", [], "no such checkpoint"),
    "an empty file": ("empty.pt", [], "not a checkpoint"),
    "text": ("text.pt", [], "not a checkpoint"),
    "another program's weights": ("other.pt", [], "not a checkpoint that python -m train wrote"),
    "wrong keys": ("keys.pt", [], "do not fit this version's network 'compact'"),
    "settings of another version": ("settings.pt", [], "settings of another version"),
    "another folder": (".", [], "bundle.json: cannot read this file of the bundle"),
    "the model alone": ("compact/model.onnx", [], "not a checkpoint"),
    "int8 without data": ("compact", ["--precision", "int8"], "--data TOML"),
    "no such data": ("compact", ["--precision", "int8", "--data", "none.toml"], "none.toml"),
}


@pytest.fixture
def wrong(trained_checkpoint, bundle_copy, tmp_path) -> Path:
    """A folder of what is no network."""
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("not a checkpoint")
    torch.save({"weights": 1}, tmp_path / "other.pt")
    good = torch.load(trained_checkpoint, weights_only=True)
    torch.save(good | {"state": good["state"] | {"network": {"other": torch.zeros(1)}}}, tmp_path / "keys.pt")
    torch.save(good | {"config": good["config"] | {"unheard": 1}}, tmp_path / "settings.pt")
    return tmp_path


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_and_status_2(wrong, capsys, case):
    name, options, message = WRONG[case]
    assert build_engine.main([os.fspath(wrong / name), "--dry-run", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_bundle_with_one_byte_changed_is_not_built(bundle_copy, capsys):
    model = bytearray((bundle_copy / bundle.MODEL).read_bytes())
    model[len(model) // 2] ^= 1
    (bundle_copy / bundle.MODEL).write_bytes(model)
    assert build_engine.main([os.fspath(bundle_copy), "--dry-run"]) == 2
    assert "sha256" in capsys.readouterr().err


def test_a_network_of_some_points_is_not_built_for_others(compact_bundle):
    nine = fixed(onnx.load_from_string(bundle.load_bundle(compact_bundle).model), 9)
    with pytest.raises(ExportError, match="9 points cannot be built for 50"):
        fixed(nine, 50)
