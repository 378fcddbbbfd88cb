"""Fixtures shared by all rooms' tests."""

import fcntl
import gc
import os
import pickle
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

# Tests run on every core: threads of torch, MKL or OpenBLAS would only wait for each other, in child processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from edge.core.types import RadarFrame
from edge.radar.chirp_file.parser import load_chirp
from tests.helpers.brokers import refuse_all, running_broker

ROOT = Path(__file__).parents[1]
REAL_DATA = Path(os.environ.get("RADARECG_REAL_DATA", ROOT.parent / "shared" / "real"))

# Every worker and every process that a test starts would compile all of these modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that starts the tests in the background has them ignore Ctrl-C, and all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# By default an example that takes 0.2 s fails, which would be a timing assertion. .ci/run tries the thorough ones.
settings.register_profile("fast", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("fast")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Many tests wait for a process, a broker or a timer: half as many workers again as cores keep the cores busy."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported here lives until the end: searching it for garbage is a tenth of the time of the imports."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch):
    """No test cuts the power, and waiting for the disk is most of the cost of saving a checkpoint."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


@pytest.fixture(autouse=True)
def without_the_tests_variable(monkeypatch):
    """`radarecg run` refuses an unknown RADARECG_ variable, as this one of the tests is."""
    monkeypatch.delenv("RADARECG_REAL_DATA", raising=False)


@pytest.fixture(autouse=True)
def signal_handlers():
    """A command tested in this process installs handlers for the rest of its life, which would reach the next test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def in_process(monkeypatch):
    """Work for other processes is done in this one: a new interpreter takes seconds to import what it needs."""
    monkeypatch.setattr("train.data.workers.ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))


@pytest.fixture(scope="session")
def mmecg():
    return load_chirp(ROOT / "firmware_config/awr1843_mmecg.cfg")


@pytest.fixture(scope="session")
def mmecg_100(mmecg):
    """MMECG's chirp file at 100 frames a second: half the frames to simulate."""
    return replace(mmecg, frame_period_s=0.01)


@pytest.fixture(scope="session")
def person(mmecg_100, make_once) -> list[RadarFrame]:
    """30 s of a person who sits still, with a heart rate of 70 a minute, at 100 frames a second; read only."""
    from edge.twin.heart import Heart
    from tests.helpers.chest import frames, load_frames, save_iq

    path = make_once("person.npy", lambda path: save_iq(path, frames(mmecg_100, Heart(70), seconds=30)))
    return load_frames(path, mmecg_100)


@pytest.fixture(scope="session")
def twin_recordings(person, mmecg_100, make_once) -> Path:
    """A folder with that person's recordings `raw` and `points`; read only."""
    from tests.helpers.recordings import write_twin

    return make_once("recordings", lambda folder: write_twin(folder, person, mmecg_100))


@pytest.fixture(scope="session")
def twin_result(twin_recordings, make_once):
    """What `raw` is reconstructed to, with the shipped network."""
    from edge.analysis import open_recording

    def make(path: Path) -> None:
        path.write_bytes(pickle.dumps(open_recording(twin_recordings / "raw").reconstruct()))

    return pickle.loads(make_once("twin_result.pickle", make).read_bytes())


@pytest.fixture(scope="session")
def cfg_50(make_once) -> Path:
    """MMECG's chirp file at 50 frames a second: for another process, a quarter of the frames to simulate."""
    text = (ROOT / "firmware_config/awr1843_mmecg.cfg").read_text()
    assert "frameCfg 0 2 1 0 5 1 0" in text
    return make_once("mmecg_50.cfg", lambda path: path.write_text(text.replace("1 0 5 1 0", "1 0 20 1 0")))


@pytest.fixture(scope="session")
def iwr6843():
    return load_chirp(ROOT / "firmware_config/iwr6843_recording.cfg")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real recordings, which are not part of the project."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real recordings are not at {REAL_DATA}; set RADARECG_REAL_DATA")
    return REAL_DATA


@pytest.fixture
def mosquitto_port(tmp_path):
    with running_broker("mosquitto", tmp_path) as port:
        yield port


@pytest.fixture
def strict_mosquitto_port(tmp_path):
    """A broker that refuses every client."""
    with running_broker("mosquitto", tmp_path, settings=refuse_all(tmp_path)) as port:
        yield port


@pytest.fixture
def systemd(tmp_path):
    """What systemd is: a socket that is sent states."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


@pytest.fixture(scope="session")
def make_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """`make_once(name, make)`: a file or folder, made by the first worker that needs it, read by all."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], object]) -> Path:
        path = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                make(path)
        return path

    return made


@pytest.fixture(scope="session")
def gpu_folder(make_once) -> Path:
    """The stand-in for NVIDIA's driver, and what was compiled for it."""
    from tests.helpers.cuda_stand_in import build_driver, require_stand_in

    require_stand_in()
    return make_once("gpu", build_driver)


@pytest.fixture
def gpu(gpu_folder, monkeypatch):
    """A GPU, a Jetson Orin's, until the test ends: the real PyCUDA on a stand-in for NVIDIA's driver."""
    from tests.helpers.cuda_stand_in import Gpu

    gpu = Gpu(gpu_folder, monkeypatch)
    yield gpu
    gpu.recover()


@pytest.fixture(scope="session")
def trained_checkpoint(tmp_path_factory) -> Path:
    """Of the compact network."""
    from tests.helpers.networks import save_checkpoint

    return save_checkpoint(tmp_path_factory.mktemp("run") / "best.pt")


@pytest.fixture(scope="session")
def compact_bundle(trained_checkpoint, make_once) -> Path:
    """That checkpoint's bundle; read it only."""
    from edge.inference.bundle import Metrics
    from export.bundle import write_bundle
    from train.training.checkpoint import load_checkpoint

    metrics = Metrics("made up", {"pcc": 0.5, "mdr": None})
    return make_once("compact", lambda folder: write_bundle(load_checkpoint(trained_checkpoint), folder, metrics))


@pytest.fixture
def bundle_copy(compact_bundle, tmp_path) -> Path:
    """One to damage."""
    return shutil.copytree(compact_bundle, tmp_path / "compact")


@pytest.fixture(scope="session")
def half_bundle(trained_checkpoint, compact_bundle, make_once) -> Path:
    """The same in half precision; read it only."""
    from export.bundle import write_bundle
    from tests.helpers.networks import exported_once
    from train.training.checkpoint import load_checkpoint

    with exported_once(compact_bundle):
        return make_once(
            "half", lambda folder: write_bundle(load_checkpoint(trained_checkpoint), folder, precision="fp16")
        )
