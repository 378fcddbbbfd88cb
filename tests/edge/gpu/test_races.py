"""The kernels with one CPU thread for each CUDA thread, under the thread sanitizer."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge.core.spec import SST_DEFAULT
from edge.dsp.sst.transform import Sst
from edge.gpu.sst import SOURCE, build_for
from tests.helpers.cuda_stand_in import HELPERS, ORIN, RTX_3060

pytestmark = pytest.mark.slow

SEGMENT = np.random.default_rng(0).standard_normal((1, SST_DEFAULT.segment)).astype(np.float32)
REMOVED_BARRIERS = {
    "sst.cu": ("    if (t == 0) largest = 0;\n    __syncthreads();\n", "    if (t == 0) largest = 0;\n"),
    "fourier.cuh": ("        dft(x);\n    }\n    __syncthreads();\n", "        dft(x);\n    }\n"),
}


def run_with_threads(folder: Path, shared_bytes: int, source: Path) -> subprocess.CompletedProcess:
    build, program = build_for(SST_DEFAULT, shared_bytes), folder / "sst_on_threads"
    for name, values in (
        ("segment", SEGMENT),
        ("taper", build.tables.taper),
        ("band", build.band),
        ("gain", build.gain),
    ):
        values.tofile(folder / name)
    flags = ["-O1", "-g", "-fsanitize=thread", "-ffp-contract=off", "-Wno-unknown-pragmas", "-pthread"]
    folders = [f"-I{source.parent}", f"-I{HELPERS}"]
    command = ["g++", *flags, *build.options, *folders, HELPERS / "sst_on_threads.cpp", "-o", program]
    subprocess.run(command, check=True)
    # Addresses that are laid out at random are too many for the sanitizer of older compilers.
    command = ["setarch", os.uname().machine, "--addr-no-randomize", program, folder, str(build.shared_bytes)]
    return subprocess.run(command, env=os.environ | {"TSAN_OPTIONS": "halt_on_error=1"}, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def tools():
    if missing := [name for name in ("g++", "setarch") if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")


@pytest.mark.parametrize("card", [ORIN, RTX_3060], ids=["shared memory", "global memory"])
def test_the_kernels_have_no_races(tmp_path, card):
    run = run_with_threads(tmp_path, card.shared_bytes, SOURCE)
    assert (run.stderr, run.returncode) == ("", 0)
    values = np.fromfile(tmp_path / "values", np.float32).reshape(1, 71, 120)
    assert (np.abs(values - Sst(1)(SEGMENT).values) > 1e-4).mean() < 2e-3  # as in test_sst.py


@pytest.mark.parametrize("name", REMOVED_BARRIERS)
def test_a_removed_barrier_is_found(tmp_path, name):
    source = tmp_path / "source"
    shutil.copytree(SOURCE.parent, source)
    before, after = REMOVED_BARRIERS[name]
    text = (source / name).read_text()
    assert before in text
    (source / name).write_text(text.replace(before, after, 1))
    run = run_with_threads(tmp_path, ORIN.shared_bytes, source / "sst.cu")
    assert "WARNING: ThreadSanitizer: data race" in run.stderr
