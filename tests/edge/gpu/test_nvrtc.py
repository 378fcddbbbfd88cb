"""Compiling at run time: the choice of NVRTC, its errors, and the stored cubins."""

import logging
import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from edge.gpu import cubins, nvrtc
from edge.gpu.cubins import load_cubin
from edge.gpu.nvrtc import Nvrtc, NvrtcError, find_nvrtc

KERNEL = 'extern "C" __global__ void fill(float *to) { to[threadIdx.x] = VALUE; }\n'


@pytest.fixture
def source(tmp_path) -> Path:
    (tmp_path / "fill.cuh").write_text("#pragma once\n")
    path = tmp_path / "fill.cu"
    path.write_text(f'#include "fill.cuh"\n{KERNEL}')
    return path


@pytest.fixture
def compiler() -> Nvrtc:
    try:
        return find_nvrtc("sm_87", 12)
    except NvrtcError as error:
        pytest.skip(str(error))


@pytest.fixture
def compiled(monkeypatch) -> list[str]:
    """The architectures for which a compiler ran."""
    seen: list[str] = []
    real = Nvrtc.compile

    def compile_and_note(self, source, headers, architecture, options):
        seen.append(architecture)
        return real(self, source, headers, architecture, options)

    monkeypatch.setattr(Nvrtc, "compile", compile_and_note)
    return seen


def test_neither_path_nor_home_is_needed(compiler, source, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("HOME", "/proc")
    assert load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], None).startswith(b"\x7fELF")


def test_a_compiler_is_never_of_a_later_version_than_the_driver(compiler):
    assert compiler.version[0] == 12
    if "nvidia-cuda-nvrtc" in {each.name for each in metadata.distributions()}:
        assert find_nvrtc("sm_110", 13).version[0] == 13
    with pytest.raises(NvrtcError, match=r"NVRTC 12\.\d+ does not support sm_110: .*nvidia-cuda-nvrtc-cu12"):
        find_nvrtc("sm_110", 12)


def test_the_compiler_of_a_toolkit_is_found(compiler, tmp_path, monkeypatch):
    library = Path(next(nvrtc._candidates(12)))
    folder = tmp_path / "cuda-12.6" / "targets" / "sbsa-linux" / "lib"
    folder.mkdir(parents=True)
    (folder / library.name).symlink_to(library)
    (tmp_path / "cuda-9").mkdir()
    monkeypatch.setattr(nvrtc.metadata, "files", lambda name: None)
    monkeypatch.setattr(nvrtc, "TOOLKITS", tmp_path)
    assert list(nvrtc._candidates(12)) == ["libnvrtc.so.12", str(folder / library.name)]
    assert find_nvrtc("sm_87", 12).version == compiler.version


def test_without_a_compiler_it_says_what_to_install(tmp_path, monkeypatch):
    broken = tmp_path / "libnvrtc.so.13"
    broken.write_bytes(b"")
    monkeypatch.setattr(nvrtc, "_candidates", lambda major: [str(broken)])
    with pytest.raises(NvrtcError, match=r"NVRTC not found: .*cuda-nvrtc-13-N.*'nvidia-cuda-nvrtc==13\.\*'"):
        find_nvrtc("sm_110", 13)


def test_an_error_carries_the_log(compiler, source):
    source.write_text(KERNEL.replace("VALUE", "UNKNOWN"))
    with pytest.raises(NvrtcError, match=r"NVRTC_ERROR_COMPILATION\) for sm_87:\n.*\"UNKNOWN\" is undefined"):
        load_cubin(compiler, source, "sm_87", [], None)


def test_a_stored_cubin_is_used_until_anything_changes(compiler, source, tmp_path, compiled):
    stored = tmp_path / "cubins"
    stored.mkdir()
    first = load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], stored)
    assert load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], stored) == first
    assert compiled == ["sm_87"]
    load_cubin(compiler, source, "sm_87", ["-DVALUE=2"], stored)
    load_cubin(compiler, source, "sm_90", ["-DVALUE=1"], stored)
    (tmp_path / "fill.cuh").write_text("#pragma once\n\n")
    load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], stored)
    compiler.version = (12, 9)
    load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], stored)
    assert compiled == ["sm_87", "sm_87", "sm_90", "sm_87", "sm_87"]
    assert len(list(stored.iterdir())) == 5
    assert all(re.fullmatch(r"fill-sm_\d\d-[0-9a-f]{16}\.cubin", path.name) for path in stored.iterdir())


@pytest.mark.parametrize("damage", [b"", b"\x7fELF", None])
def test_a_damaged_cubin_is_replaced(compiler, source, tmp_path, compiled, damage):
    stored = tmp_path / "cubins"
    stored.mkdir()
    first = load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], stored)
    (path,) = stored.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"?" if damage is None else damage)
    assert load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], stored) == first
    assert load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], stored) == first
    assert len(compiled) == 2


def test_a_folder_that_cannot_be_written_is_no_error(compiler, source, compiled, caplog):
    caplog.set_level(logging.INFO, cubins.__name__)
    for _ in range(2):
        assert load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], Path("/proc"))
    assert compiled == ["sm_87", "sm_87"]
    assert "the next start compiles the GPU's program again: /proc/fill" in caplog.text


def test_a_folder_of_nothing_is_no_error(compiler, source, tmp_path):
    assert load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], tmp_path / "nowhere")
    shutil.copy(source, tmp_path / "file")
    assert load_cubin(compiler, source, "sm_87", ["-DVALUE=1"], tmp_path / "file")
