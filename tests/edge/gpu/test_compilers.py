"""The kernels compiled by CUDA's own compilers: nvcc, and NVRTC of JetPack 6 and 7."""

import re
import shutil
import subprocess
from importlib import metadata

import pytest

from edge.core.spec import SstSpec
from edge.gpu.nvrtc import Nvrtc
from edge.gpu.sst import SOURCE, build_for

pytestmark = pytest.mark.slow

ORIN_SHARED_BYTES, THOR_SHARED_BYTES, CARD_SHARED_BYTES = 163 << 10, 227 << 10, 99 << 10
TARGETS = {
    "sm_87": (SstSpec(), ORIN_SHARED_BYTES),
    "sm_87 30 Hz": (SstSpec(30), ORIN_SHARED_BYTES),
    "sm_86": (SstSpec(), CARD_SHARED_BYTES),
    "sm_120": (SstSpec(), CARD_SHARED_BYTES),
    "sm_90": (SstSpec(), THOR_SHARED_BYTES),
    "sm_110": (SstSpec(), THOR_SHARED_BYTES),
}
BLOCKS = {"sst_spectrum": 4, "sst_squeeze": 1}
"""Blocks of each kernel that must fit on a multiprocessor at once (sst.cu explains why)."""
REGISTERS = 65536
"""Of a multiprocessor, in all three; a thread gets them by eights."""


def assert_frugal(log: str, target: str) -> None:
    """Check the report of ptxas: no spills, and few enough registers for the required number of blocks."""
    build = build_for(*TARGETS[target])
    threads = {"sst_spectrum": build.spectrum_threads, "sst_squeeze": build.squeeze_threads}
    kernels = re.findall(
        r"Compiling entry function '(\w+)'.*?"
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers",
        log,
        re.DOTALL,
    )
    assert {kernel for kernel, *_ in kernels} == set(BLOCKS), log
    for kernel, *memory, registers in kernels:
        assert memory == ["0", "0", "0"], f"{kernel}: {memory} bytes of stack, spilt and fetched back"
        most = REGISTERS // (BLOCKS[kernel] * threads[kernel]) // 8 * 8
        assert int(registers) <= most, f"{kernel}: {registers} registers, {most} at most"


@pytest.mark.parametrize("target", TARGETS)
def test_nvcc_keeps_everything_in_registers(tmp_path, target):
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not installed")
    arch = target.split()[0]
    if arch not in subprocess.run([nvcc, "--list-gpu-code"], capture_output=True, text=True, check=True).stdout.split():
        pytest.skip(f"this nvcc does not support {arch}")
    command = [
        nvcc,
        "-cubin",
        f"-arch={arch}",
        "-Xptxas=-v",
        "-Werror=all-warnings",
        *build_for(*TARGETS[target]).options,
    ]
    run = subprocess.run([*command, SOURCE, "-o", tmp_path / "sst.cubin"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert_frugal(run.stderr, target)


NVRTC = {
    "nvidia-cuda-nvrtc-cu12": ("sm_86", "sm_87", "sm_90"),
    "nvidia-cuda-nvrtc": ("sm_87", "sm_90", "sm_110", "sm_120"),
}


@pytest.mark.parametrize(("package", "arch"), [(name, arch) for name, archs in NVRTC.items() for arch in archs])
def test_the_compilers_of_both_jetpacks_keep_everything_in_registers(package, arch):
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    path = next(file.locate() for file in files if re.fullmatch(r"libnvrtc\.so\.\d+", file.name))
    headers = {"fourier.cuh": SOURCE.with_name("fourier.cuh").read_bytes()}
    options = ["--ptxas-options=-v", *build_for(*TARGETS[arch]).options]
    _, log = Nvrtc(str(path)).compile(SOURCE.read_bytes(), headers, arch, options)
    if (package, arch) != ("nvidia-cuda-nvrtc-cu12", "sm_90"):  # spills 16 bytes; no JetPack pairs the two
        assert_frugal(log, arch)
