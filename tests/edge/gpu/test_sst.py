"""The SST's kernels against the float64 definition: the real PyCUDA and cubins on the stand-in driver."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import signal

from edge.core.errors import InputError
from edge.core.spec import RCG_RATE_HZ, SST_HIGH_PASS_HZ, SstSpec
from edge.core.types import SstWindow
from edge.dsp.frontend.phase import SecondDerivative
from edge.dsp.sst.reference import sst_reference
from edge.gpu.sst import SOURCE, CudaSst, build_for
from edge.twin.heart import Heart
from tests.helpers.cuda_stand_in import ASCENDING, DESCENDING, ORIN, RTX_3060, SHUFFLED, build_kernels
from tests.helpers.kernels_on_cpu import StuckBlockError, run_sst

BUILD = build_for(SstSpec(), ORIN.shared_bytes)
SPECS = [SstSpec(), pytest.param(SstSpec(30), marks=pytest.mark.slow)]


def tones(spec: SstSpec, seed: int = 0) -> np.ndarray:
    """Two tones, a chirp and noise, in float32: [segment]."""
    t = np.arange(spec.segment) / RCG_RATE_HZ
    sweep = np.sin(2 * np.pi * (20 * t + 3 * t**2))
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (np.sin(2 * np.pi * 1.7 * t) + 0.3 * np.sin(2 * np.pi * 11 * t) + sweep + 0.2 * noise).astype(np.float32)


def chirp(spec: SstSpec) -> np.ndarray:
    """No noise at all: the hardest to predict. In float32: [segment]."""
    t = np.arange(spec.segment) / RCG_RATE_HZ
    return signal.chirp(t, 2, t[-1], 20).astype(np.float32)


def heart(spec: SstSpec) -> np.ndarray:
    """A chest's acceleration as the chain makes it, in float32: [segment]."""
    t = np.arange(4000) / RCG_RATE_HZ
    motion = Heart(seed=4).displacement_mm(t) + 0.002 * np.random.default_rng(1).standard_normal(len(t))
    rcg = SecondDerivative(RCG_RATE_HZ).push(motion[None], np.ones(len(t), bool))[1][0]
    high_pass = signal.butter(2, SST_HIGH_PASS_HZ, "highpass", output="sos", fs=RCG_RATE_HZ)
    return signal.sosfilt(high_pass, rcg)[-spec.segment :].astype(np.float32)


def same(a: SstWindow, b: SstWindow) -> bool:
    return np.array_equal(a.values, b.values, equal_nan=True) and np.array_equal(a.scale, b.scale, equal_nan=True)


def assert_agrees(window: SstWindow, segment: np.ndarray, spec: SstSpec) -> None:
    for values, scale, samples in zip(window.values, window.scale, segment, strict=True):
        expected, expected_scale = sst_reference(samples.astype(float), spec)
        assert scale == pytest.approx(expected_scale, rel=1e-4)
        assert np.corrcoef(values.ravel(), expected.ravel())[0, 1] >= 0.9995
        assert np.square(values).sum() == pytest.approx(np.square(expected).sum(), rel=1e-3)
        # In float32 a coefficient at the edge of a bin may fall into the next one.
        assert (np.abs(values - expected) > 1e-4).mean() < 2e-3


@pytest.mark.parametrize("spec", SPECS, ids=["60 Hz", "30 Hz"])
def test_kernels_compute_the_definition(gpu, spec):
    segment = np.stack([tones(spec), heart(spec), 1e3 * tones(spec, 1) + heart(spec), chirp(spec)])
    assert_agrees(CudaSst(4, spec, gpu.prepare(spec))(segment), segment, spec)


@pytest.fixture(scope="module")
def library(make_once) -> Path:
    """The kernels of an Orin."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    return make_once("orin.so", lambda path: build_kernels(path, BUILD))


@pytest.fixture(scope="module")
def expected(library) -> SstWindow:
    """One channel's spectrogram, its threads in ascending order."""
    return run_sst(library, BUILD, heart(SstSpec())[None], ASCENDING)


@pytest.mark.parametrize("order", [DESCENDING, SHUFFLED])
def test_the_order_of_threads_does_not_matter(library, expected, order):
    assert same(run_sst(library, BUILD, heart(SstSpec())[None], order), expected)


BARRIERS = [
    (name, match.span())
    for name in ("sst.cu", "fourier.cuh")
    for match in re.finditer(r"__syncthreads\(\);", (SOURCE.parent / name).read_text())
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "span"), BARRIERS)
def test_every_barrier_is_needed_and_missed(tmp_path, expected, name, span):
    shutil.copytree(SOURCE.parent, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text[: span[0]] + text[span[1] :])
    library = build_kernels(tmp_path / "damaged.so", BUILD, ["-O0"], tmp_path / "sst.cu")
    try:
        window = run_sst(library, BUILD, heart(SstSpec())[None], SHUFFLED)
    except StuckBlockError:
        return
    assert not same(window, expected)


@pytest.mark.slow  # compiles each
@pytest.mark.parametrize("shared_bytes", [227 << 10, 99 << 10])
def test_every_build_computes_the_same_bits(tmp_path, expected, shared_bytes):
    """A larger GPU computes more scales at a time; a smaller one keeps the spectrogram in global memory."""
    build = build_for(SstSpec(), shared_bytes)
    assert (build.together, build.is_global) != (BUILD.together, BUILD.is_global)
    assert build.shared_bytes <= shared_bytes
    library = build_kernels(tmp_path / "other.so", build)
    assert same(run_sst(library, build, heart(SstSpec())[None], SHUFFLED), expected)


def test_a_card_with_little_shared_memory_computes_the_same(gpu, expected):
    gpu.card = RTX_3060
    assert same(CudaSst(1, SstSpec(), gpu.prepare())(heart(SstSpec())[None]), expected)


def test_channels_do_not_touch_each_other(gpu):
    good = heart(SstSpec())
    broken, infinite, silent = good.copy(), good.copy(), np.zeros_like(good)
    broken[700], infinite[3] = np.nan, -np.inf
    window = CudaSst(5, cubins=gpu.prepare())(np.stack([good, broken, silent, infinite, good]))
    assert not window.values[1:4].any()
    assert np.array_equal(window.scale[1:4], [np.nan, 0, np.nan], equal_nan=True)
    for channel in (0, 4):
        alone = CudaSst(1, cubins=gpu.prepare())(good[None])
        assert same(SstWindow(window.values[[channel]], window.scale[[channel]]), alone)


def test_gain_goes_to_the_scale_alone(gpu):
    good = heart(SstSpec())
    gains = 2.0 ** np.array([0, -20, 70])
    window = CudaSst(3, cubins=gpu.prepare())((good * gains[:, None]).astype(np.float32))
    assert np.array_equal(window.values[1], window.values[0])
    assert np.array_equal(window.values[2], window.values[0])
    np.testing.assert_array_equal(window.scale / window.scale[0], gains)


def test_a_click_alone_is_no_trouble(gpu):
    first, middle = np.zeros((2, SstSpec().segment), np.float32)
    first[0] = middle[600] = 1  # the taper takes all of the first: nothing to predict from
    window = CudaSst(2, cubins=gpu.prepare())(np.stack([first, middle]))
    assert np.isfinite(window.values).all()
    assert window.values[1].max() == 1
    expected, _ = sst_reference(middle.astype(float))
    assert np.corrcoef(window.values[1].ravel(), expected.ravel())[0, 1] >= 0.9995


def test_another_shape_is_refused(gpu):
    with pytest.raises(ValueError, match=r"segment is \(2, 1200\), not \(3, 1200\)"):
        CudaSst(3, cubins=gpu.prepare())(np.zeros((2, 1200), np.float32))


SANITIZED = """
import sys
from pathlib import Path
import numpy as np
from edge.core.spec import SstSpec
from edge.gpu.sst import build_for
from tests.helpers.cuda_stand_in import SHUFFLED, build_kernels
from tests.helpers.kernels_on_cpu import run_sst
path, missing, shared_bytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
build, flags = build_for(SstSpec(), shared_bytes), ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
library = build_kernels(path / f"{shared_bytes}.so", build, flags)
segment = np.random.default_rng(0).standard_normal((1, 1200 - missing)).astype(np.float32)
window = run_sst(library, build, segment, SHUFFLED)
assert np.isfinite(window.values).all() and np.isfinite(window.scale).all()
print("clean")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "shared_bytes", "word"),
    [(0, 163 << 10, "clean"), (0, 99 << 10, "clean"), (8, 163 << 10, "heap-buffer-overflow")],
)
def test_sanitizers_find_nothing_but_what_is_wrong(tmp_path, missing, shared_bytes, word):
    libraries = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(library).is_absolute() for library in libraries):
        pytest.skip("g++ has no sanitizers here")
    # Python leaks by design; stacks that fibers leave and enter are not used after return.
    options = "detect_leaks=0:detect_stack_use_after_return=0"
    env = os.environ | {"LD_PRELOAD": " ".join(libraries), "ASAN_OPTIONS": options}
    command = [sys.executable, "-c", SANITIZED, tmp_path, str(missing), str(shared_bytes)]
    run = subprocess.run(command, env=env, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert word in run.stdout + run.stderr, run.stderr[-4000:]
    assert (run.returncode == 0) == (missing == 0)


def test_missing_pycuda_is_a_one_line_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(InputError, match=r"no PyCUDA .*pip install '\.\[jetson\]'"):
        CudaSst(1)


def test_a_missing_gpu_is_a_one_line_error(monkeypatch):
    driver = ModuleType("pycuda.driver")

    class Error(Exception):
        pass

    def init():
        raise Error("cuInit failed: no CUDA-capable device is detected")

    driver.__dict__.update(Error=Error, init=init)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    with pytest.raises(InputError, match=r"no CUDA device .*no CUDA-capable device is detected"):
        CudaSst(1)
