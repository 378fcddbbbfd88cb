"""The TensorRT backend's buffers and checks: the real PyCUDA, on stand-ins for the driver and TensorRT's runtime."""

import hashlib
import shutil
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from edge.core.errors import InputError
from edge.core.spec import SST_DEFAULT
from edge.core.types import Chest, EcgBlock, RcgBlock, SstWindow
from edge.dsp.sst.transform import Sst
from edge.ecg.reconstructor import EcgReconstructor
from edge.ecg.stitcher import Stitcher
from edge.gpu.sst import CudaSst
from edge.inference import bundle
from edge.inference.backends import engine_file as engine
from edge.inference.backends.base import BackendError
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.backends.tensorrt import TensorRt, TensorRtFromSegments
from edge.inference.loader import Network, load_network
from export.operators import fixed
from tests.helpers import tensorrt_on_cpu
from tests.helpers.cuda_stand_in import Gpu
from tests.helpers.networks import FLOAT32_BOUND, assert_alike, spectrograms

POINTS = 3


@pytest.fixture
def device(gpu, monkeypatch) -> Gpu:
    gpu.prepare()
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_on_cpu.module())
    return gpu


@pytest.fixture
def built(compact_bundle, device, tmp_path) -> Path:
    """The bundle's engine on this 'machine'."""
    made = bundle.load_bundle(compact_bundle)
    content = fixed(onnx.load_from_string(made.model), POINTS).SerializeToString()
    about = engine.About(
        bundle=engine.digest_of(made),
        name="compact",
        points=POINTS,
        precision="fp32",
        machine=engine.Machine(tensorrt_on_cpu.VERSION, "12.6", "CPU", "8.7", 8),
        sha256=sha256(content),
    )
    engine.write_engine(tmp_path / "x.engine", content, about)
    for cubin in device.cubins.iterdir():
        shutil.copy(cubin, tmp_path)
    return tmp_path / "x.engine"


def blocks(gpu: Gpu) -> tuple[int, int]:
    return gpu.usage().device_blocks, gpu.usage().pinned_blocks


def test_it_says_what_onnx_runtime_says(compact_bundle, built, device):
    loaded = bundle.load_bundle(compact_bundle)
    network, values = TensorRt(loaded, built), spectrograms(3, POINTS)
    taken = blocks(device)
    outputs = network(values)
    assert_alike(outputs, OnnxRuntime(loaded)(values))
    assert_alike(network(values[::-1]), outputs[::-1])
    assert blocks(device) == taken
    with pytest.raises(BackendError, match="4 points for an engine of 3"):
        network(spectrograms(1, 4))


def test_segments_go_in_and_answers_come_out(compact_bundle, built, device):
    loaded = bundle.load_bundle(compact_bundle)
    network = TensorRt(loaded, built)
    read = TensorRtFromSegments(network, CudaSst(POINTS, cubins=device.cubins), SST_DEFAULT.segment)
    taken = blocks(device)
    segment = np.random.default_rng(0).standard_normal((POINTS, SST_DEFAULT.segment)).astype(np.float32)
    cpu_inference = OnnxRuntime(loaded)
    for window in (segment, segment[:, ::-1]):
        expected, (seen, outputs) = Sst(POINTS)(window), read(window)
        assert_same_but_for_bins(seen, expected)
        assert_alike([outputs], cpu_inference(seen.values[None]))
    assert blocks(device) == taken
    with pytest.raises(BackendError, match=r"2 channels for an engine of 3 points: .*onnxruntime"):
        read(segment[:2])


def assert_same_but_for_bins(ours: SstWindow, theirs: SstWindow) -> None:
    """Two SSTs in float32: a coefficient at the edge of a bin may fall into the next one."""
    assert (np.abs(ours.values - theirs.values) > 1e-4).mean() < 2e-3
    np.testing.assert_allclose(ours.scale, theirs.scale, rtol=1e-3)


def ecg_of(network: Network) -> list[EcgBlock]:
    """Nine seconds of three chests that shake, as the runtime would reconstruct them."""
    t, chain, blocks = np.arange(1800), EcgReconstructor(network.begin, 200.0), []
    shake = sum(np.exp(-0.5 * ((t - beat) / 4) ** 2) * np.cos((t - beat) * 0.6) for beat in range(90, 1800, 170))
    rcg = shake + 1e-3 * np.random.default_rng(1).standard_normal((POINTS, len(t)))
    for k in range(0, len(t), 20):
        part = rcg[:, k : k + 20]
        blocks += chain.push(
            RcgBlock(k, part, part, np.ones(POINTS), np.ones(20, bool), 0.0, Chest(0.5, 30, True), k == 0)
        )
    return blocks


def test_the_row_tensorrt_of_the_runtime_says_what_the_cpu_says(compact_bundle, built, device):
    on_gpu = load_network(compact_bundle, "tensorrt", built)
    cpu_inference = load_network(compact_bundle)
    assert (on_gpu.name, on_gpu.sha256) == (cpu_inference.name, cpu_inference.sha256)
    blocks = list(zip(ecg_of(on_gpu), ecg_of(cpu_inference), strict=True))
    assert len(blocks) == 4
    assert on_gpu.infer_window
    predict, stitcher = OnnxRuntime(bundle.load_bundle(compact_bundle)), Stitcher()
    for ours, theirs in blocks:
        assert (ours.t_ns, ours.sample0, ours.window_end) == (theirs.t_ns, theirs.sample0, theirs.window_end)
        assert_same_but_for_bins(ours.window, theirs.window)
        expected = stitcher.push(*predict(ours.window.values[None]), ours.window_end)
        np.testing.assert_allclose(ours.estimate.ecg, expected.ecg, atol=FLOAT32_BOUND)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def edited(path: Path, **changes) -> None:
    place = engine.about_path(path)
    about = msgspec.json.decode(place.read_bytes())
    about["machine"] |= changes.pop("machine", {})
    place.write_bytes(msgspec.json.encode(about | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine": {"tensorrt": "10.13.3"}}, "TensorRT 10.13.3, found 10.3.0"),
        ({"machine": {"gpu": "Orin"}}, "GPU Orin, found CPU"),
        ({"machine": {"compute_capability": "11.0"}}, "compute capability 11.0, found 8.7"),
        ({"machine": {"multiprocessors": 16}}, "multiprocessors 16, found 8"),  # an AGX's on a Nano
        ({"bundle": "0" * 64}, "bundle 0000"),
        ({"format": "radarecg.engine/9"}, "format radarecg.engine/9"),
        ({"precision": "fp4"}, "x.engine.json: .*fp4"),
    ],
)
def test_an_engine_of_something_else_is_refused_with_the_command_to_build_it(compact_bundle, built, changes, message):
    edited(built, **changes)
    with pytest.raises(BackendError, match=rf"{message}.*python -m export.build_engine {compact_bundle} --out {built}"):
        TensorRt(bundle.load_bundle(compact_bundle), built)


def test_another_cuda_alone_is_no_reason_to_refuse(compact_bundle, built):
    edited(built, machine={"cuda": "12.9"})
    assert TensorRt(bundle.load_bundle(compact_bundle), built).points == POINTS


@pytest.mark.parametrize("gone", ["x.engine", "x.engine.json"])
def test_half_an_engine_is_refused(compact_bundle, built, gone):
    (built.parent / gone).unlink()
    with pytest.raises(BackendError, match=rf"{gone}: cannot be read .*export.build_engine"):
        TensorRt(bundle.load_bundle(compact_bundle), built)


def test_one_changed_byte_is_found(compact_bundle, built):
    content = bytearray(built.read_bytes())
    content[5000] ^= 1
    built.write_bytes(content)
    with pytest.raises(BackendError, match="built for content"):
        TensorRt(bundle.load_bundle(compact_bundle), built)


def test_what_tensorrt_refuses_is_told(compact_bundle, built, monkeypatch):
    loaded = bundle.load_bundle(compact_bundle)
    network = TensorRt(loaded, built)
    monkeypatch.setattr(tensorrt_on_cpu.IExecutionContext, "execute_async_v3", lambda *_: False)
    with pytest.raises(BackendError, match="could not start the network"):
        network(spectrograms(1, POINTS))
    monkeypatch.setattr(tensorrt_on_cpu.IExecutionContext, "set_tensor_address", lambda *_: False)
    with pytest.raises(BackendError, match="rejects the memory for spectrograms"):
        TensorRt(loaded, built)
    monkeypatch.setattr(tensorrt_on_cpu.ICudaEngine, "create_execution_context", lambda _: None)
    with pytest.raises(BackendError, match="not enough GPU memory"):
        TensorRt(loaded, built)
    monkeypatch.setattr(tensorrt_on_cpu.Runtime, "deserialize_cuda_engine", lambda *_: None)
    with pytest.raises(BackendError, match=r"TensorRT 10.3.0 cannot load it \(no reason given\)"):
        TensorRt(loaded, built)


def test_the_process_has_one_logger_and_its_errors_are_in_the_message(compact_bundle, built, monkeypatch):
    loaded = bundle.load_bundle(compact_bundle)
    monkeypatch.setattr(tensorrt_on_cpu.Runtime, "loggers", set())
    TensorRt(loaded, built)
    TensorRt(loaded, built)
    assert len(tensorrt_on_cpu.Runtime.loggers) == 1
    built.write_bytes(b"short")
    edited(built, sha256=sha256(b"short"))
    for _ in range(2):  # the errors of the first call are not in the second message
        with pytest.raises(BackendError, match=r"cannot load it \(the engine plan file is too short\); build it again"):
            TensorRt(loaded, built)


def engine_for(loaded, content: bytes, tensorrt: str) -> tuple[bytes, engine.About]:
    machine = engine.Machine(tensorrt, "12.6", "CPU", "8.7", 8)
    about = engine.About(
        bundle=engine.digest_of(loaded), name="x", points=3, precision="fp16", machine=machine, sha256=sha256(content)
    )
    return content, about


def test_the_engine_before_is_kept_and_used_again_after_a_rollback(compact_bundle, tmp_path):
    loaded, path = bundle.load_bundle(compact_bundle), tmp_path / "x.engine"
    old, new = engine_for(loaded, b"old", "10.3.0"), engine_for(loaded, b"new", "10.16.2")
    assert not engine.restore_previous(path, loaded, old[1].machine)
    engine.write_engine(path, *old, layers='{"Layers": []}')
    engine.write_engine(path, *new)
    assert engine.read_engine(path, loaded, new[1].machine) == new
    assert engine.read_engine(engine.previous_path(path), loaded, old[1].machine) == old
    assert not engine.layers_path(path).exists()
    assert not engine.restore_previous(path, loaded, new[1].machine)  # it is for another TensorRT
    for _ in range(2):
        for wanted in (old, new):
            assert engine.restore_previous(path, loaded, wanted[1].machine)
            assert engine.read_engine(path, loaded, wanted[1].machine) == wanted
            assert engine.layers_path(path).exists() == (wanted is old)
    names = ("", ".json", ".before", ".before.json", ".before.layers.json")
    assert {file.name for file in tmp_path.iterdir()} == {f"x.engine{name}" for name in names}


def test_the_float32_engine_is_built_in_float32(compact_bundle, tmp_path):
    loaded, path = bundle.load_bundle(compact_bundle), engine.float32_path(tmp_path / "x.engine")
    with pytest.raises(BackendError, match=r"build it here: .*x-fp32.engine --precision fp32"):
        engine.read_engine(path, loaded, engine_for(loaded, b"", "10.3.0")[1].machine)
    half = engine_for(loaded, b"half", "10.3.0")
    engine.write_engine(path, *half)
    with pytest.raises(BackendError, match=r"built in fp16; build it here: .* --precision fp32"):
        engine.read_engine(path, loaded, half[1].machine)


def test_a_full_disk_leaves_the_engine_as_it_was(compact_bundle, tmp_path, monkeypatch):
    loaded, path = bundle.load_bundle(compact_bundle), tmp_path / "x.engine"
    old = engine_for(loaded, b"old", "10.3.0")
    engine.write_engine(path, *old)

    def full(place, content):
        raise OSError("No space left on device")

    monkeypatch.setattr(engine, "write_atomic", full)
    with pytest.raises(OSError, match="No space"):
        engine.write_engine(path, *engine_for(loaded, b"new", "10.16.2"))
    assert engine.read_engine(path, loaded, old[1].machine) == old


def test_what_cuda_reports_is_told(compact_bundle, built, device, monkeypatch):
    loaded = bundle.load_bundle(compact_bundle)
    network = TensorRt(loaded, built)

    network._device["spectrograms"].free()
    with pytest.raises(InputError, match="the GPU reports: cuMemcpyHtoDAsync failed: invalid argument; check"):
        network(spectrograms(1, POINTS))
    monkeypatch.setenv("STAND_IN_MEMORY_BYTES", "1")
    for make in (lambda: TensorRt(loaded, built), lambda: CudaSst(POINTS, cubins=device.cubins)):
        with pytest.raises(InputError, match="the GPU reports"):
            make()


def test_a_bundle_that_is_replaced_meanwhile_does_not_pass_for_another(bundle_copy, tmp_path):
    loaded, here = bundle.load_bundle(bundle_copy), engine.Machine("10.3.0", "12.6", "CPU", "8.7", 8)
    about = engine.About(
        bundle=engine.digest_of(loaded), name="x", points=3, precision="int8", machine=here, sha256=sha256(b"plan")
    )
    engine.write_engine(tmp_path / "x.engine", b"plan", about)
    description = bundle_copy / bundle.DESCRIPTION
    description.write_bytes(description.read_bytes().replace(b'"made up"', b'"another"'))
    assert engine.read_engine(tmp_path / "x.engine", loaded, here) == (b"plan", about)
    with pytest.raises(BackendError, match=r"built for bundle .*build_engine .* --precision int8"):
        engine.read_engine(tmp_path / "x.engine", bundle.load_bundle(bundle_copy), here)


def test_without_tensorrt_or_pycuda_it_says_what_to_install(compact_bundle, built, monkeypatch):
    loaded = bundle.load_bundle(compact_bundle)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(InputError, match=r"pip install '\.\[jetson\]'"):
        TensorRt(loaded, built)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendError, match=r"TensorRT is not installed .*JetPack"):
        TensorRt(loaded, built)
