"""The runtime's network on a GPU from start to end: the real PyCUDA, NVRTC and loader, on the stand-in driver."""

import gc
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.spec import SST_DEFAULT
from edge.inference.loader import Network, load_network
from tests.helpers import tensorrt_on_cpu
from tests.helpers.engines import write_stand_in_engine

ROOT = Path(__file__).parents[3]
POINTS = 2
SEGMENT = np.random.default_rng(0).standard_normal((POINTS, SST_DEFAULT.segment)).astype(np.float32)


@pytest.fixture
def engine(gpu, compact_bundle, tmp_path, monkeypatch) -> Path:
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_on_cpu.module())
    for cubin in gpu.prepare().iterdir():
        shutil.copy(cubin, tmp_path)
    path = write_stand_in_engine(tmp_path / "x.engine", compact_bundle, POINTS)
    gc.collect()
    return path


def infer(network: Network) -> np.ndarray:
    window, outputs = network.begin(POINTS)(SEGMENT)
    assert np.isfinite(window.values).all()
    return outputs.ecg


def run_in_thread(work) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_networks_come_and_go_on_any_thread_and_leave_nothing(gpu, compact_bundle, engine):
    before = gpu.usage()
    first = load_network(compact_bundle, "tensorrt", engine)
    expected, one = infer(first), gpu.usage()
    box: list[Network] = []
    run_in_thread(lambda: box.append(load_network(compact_bundle, "tensorrt", engine)))
    del first
    gc.collect()
    assert np.array_equal(infer(box[0]), expected)  # the first one's memory is gone
    assert gpu.usage()[:2] == one[:2]
    run_in_thread(box.clear)
    gc.collect()
    assert gpu.usage()[:2] == before[:2]
    assert gpu.usage()[3:] == before[3:]


def test_a_network_that_another_thread_refuses_leaves_nothing(gpu, compact_bundle, engine, monkeypatch):
    active = load_network(compact_bundle, "tensorrt", engine)
    expected = infer(active)
    before = gpu.usage()
    refused = []

    def load_in_vain():
        try:
            load_network(compact_bundle, "tensorrt", engine)
        except InputError as error:
            refused.append(str(error))

    with monkeypatch.context() as patch:
        patch.setattr(tensorrt_on_cpu.IExecutionContext, "execute_async_v3", lambda *_: False)
        run_in_thread(load_in_vain)
    gc.collect()
    assert len(refused) == 1
    assert "could not start the network" in refused[0]
    assert gpu.usage() == before
    assert np.array_equal(infer(active), expected)


START = """
import sys
import numpy as np
from pathlib import Path
from edge.inference.loader import load_network
from tests.helpers import tensorrt_on_cpu
sys.modules["tensorrt"] = tensorrt_on_cpu.module()
network = load_network(Path(sys.argv[1]), "tensorrt", Path(sys.argv[2]))
window, outputs = network.begin(2)(np.zeros((2, 1200), np.float32))
assert outputs.finite
print("inferred")
"""


def service_environment() -> dict[str, str]:
    """The environment of the systemd unit: what it sets, and a home that its user cannot write."""
    unit = (ROOT / "deploy/radarecg.service").read_text()
    return {"HOME": "/proc", **dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE))}


SYSTEMDS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


@pytest.mark.parametrize("path", [pytest.param(SYSTEMDS_PATH, marks=pytest.mark.slow), "/nonexistent"])
def test_the_service_starts_and_ends_without_compiler_path_or_home(gpu, compact_bundle, engine, path):
    """With systemd's own PATH, and with one where no program is found; without stored cubins."""
    for cubin in engine.parent.glob("*.cubin"):
        cubin.unlink()
    env = service_environment() | {"PATH": path, "PYTHONPATH": str(ROOT), "CUDA_CACHE_DISABLE": "1"}
    command = [sys.executable, "-c", START, compact_bundle, engine]
    run = subprocess.run(command, env=env | gpu.environment(), capture_output=True, text=True)
    # ONNX Runtime stands in for TensorRT, with two points so that it is fast; the golden outputs are for 50.
    problems = [line for line in run.stderr.splitlines() if "onnxruntime" not in line and "golden" not in line]
    assert (run.stdout, problems, run.returncode) == ("inferred\n", [], 0)
    assert len(list(engine.parent.glob("sst-sm_87-*.cubin"))) == 1
