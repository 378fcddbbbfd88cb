"""A GPU for tests: NVIDIA's driver is replaced by one of our own on the CPU (`tests/helpers/driver`), all else is real.

PyCUDA, NVRTC and the cubins are the real ones. The driver finds the CPU's build of a cubin by the cubin's fingerprint.
Its settings are environment variables, which it reads at each call.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from edge.core.spec import SST_DEFAULT, SstSpec
from edge.gpu.cubins import load_cubin
from edge.gpu.nvrtc import find_nvrtc
from edge.gpu.sst import SOURCE, Build, build_for
from tests.helpers.driver.install_pycuda import include_folders

HELPERS = Path(__file__).parent
LIBRARY = "libcuda.so.1"
ASCENDING, DESCENDING, SHUFFLED = range(3)
"""Orders in which the driver can run the threads of a block."""


@dataclass(frozen=True)
class Card:
    """A GPU model: compute capability times ten, shared memory of a block, and the driver's CUDA version."""

    name: str
    capability: int
    shared_bytes: int
    multiprocessors: int
    driver: int = 12060

    @property
    def architecture(self) -> str:
        return f"sm_{self.capability}"

    def environment(self, folder: Path) -> dict[str, str]:
        return {
            "STAND_IN_NAME": self.name,
            "STAND_IN_CAPABILITY": str(self.capability),
            "STAND_IN_SHARED_BYTES": str(self.shared_bytes),
            "STAND_IN_MULTIPROCESSORS": str(self.multiprocessors),
            "STAND_IN_DRIVER": str(self.driver),
            "STAND_IN_KERNELS": str(folder / "kernels"),
        }


ORIN = Card("CPU", 87, 163 << 10, 8)
THOR = Card("NVIDIA Thor", 110, 227 << 10, 20, driver=13000)
RTX_3060 = Card("NVIDIA GeForce RTX 3060", 86, 99 << 10, 28)


class Usage(NamedTuple):
    """What the driver has given out, and how often it ran a kernel."""

    device_blocks: int
    pinned_blocks: int
    launches: int
    contexts_of_thread: int
    primary_references: int


class Gpu:
    """The GPU of this process; `card` can be exchanged. `folder` has the driver, the kernels and the cubins."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, patch
        # A library with the soname of one that is loaded already, as PyCUDA's, is not looked for.
        self._driver = ctypes.CDLL(os.fspath(folder / LIBRARY))
        self.order = DESCENDING
        self.card = ORIN

    @property
    def card(self) -> Card:
        return self._card

    @card.setter
    def card(self, card: Card) -> None:
        self._card = card
        for name, value in card.environment(self.folder).items():
            self._patch.setenv(name, value)

    @property
    def order(self) -> int:
        return int(os.environ["STAND_IN_THREAD_ORDER"])

    @order.setter
    def order(self, order: int) -> None:
        self._patch.setenv("STAND_IN_THREAD_ORDER", str(order))

    @property
    def cubins(self) -> Path:
        return self.folder / "cubins"

    def prepare(self, spec: SstSpec = SST_DEFAULT) -> Path:
        """Provide the kernels of a spec for the card, and return the folder with its cubin."""
        provide_kernels(self.folder, self.card, spec)
        return self.cubins

    def usage(self) -> Usage:
        counts = (ctypes.c_size_t * len(Usage._fields))()
        self._driver.stand_in_usage(counts)
        return Usage(*counts)

    def recover(self) -> None:
        """Let the context work again after a kernel's fault; a real one is lost."""
        self._driver.stand_in_recover()

    def environment(self) -> dict[str, str]:
        """Return what another process needs to have this GPU."""
        order = {"STAND_IN_THREAD_ORDER": str(self.order)}
        return {"LD_LIBRARY_PATH": str(self.folder), **self.card.environment(self.folder), **order}


def require_stand_in() -> None:
    """Skip the test where the stand-in cannot be built; fail it where it must be."""
    missing = [name for name in ("g++", "nm") if shutil.which(name) is None]
    missing += [name for name in ("pycuda", "nvidia.cuda_runtime", "nvidia.cuda_nvrtc") if not _is_installed(name)]
    if missing:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"{', '.join(missing)} not installed; see make test")


def build_driver(folder: Path) -> None:
    """Build the driver in a new folder."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for each in (part / "kernels", part / "cubins"):
        each.mkdir(parents=True)
    compiler = ["g++", "-O1", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fPIC"]
    compiler += [f"-I{each}" for each in include_folders()]
    driver, missing = part / "driver.o", part / "missing.cpp"
    subprocess.run([*compiler, "-c", HELPERS / "driver/driver.cpp", "-o", driver], check=True)
    missing.write_text(
        '#include <cstdio>\n#define MISSING(name) extern "C" int name() { fprintf(stderr, "stand-in driver: " #name '
        '" is missing\\n"); return 801; }\n'
        + "".join(
            f"MISSING({name})\n"
            for name in sorted(_functions("--undefined-only", "-D", _pycuda()) - _functions("--defined-only", driver))
        )
    )
    linker = [f"-Wl,-soname,{LIBRARY}", f"-Wl,--version-script={HELPERS / 'driver/exports.map'}"]
    subprocess.run([*compiler, "-shared", *linker, driver, missing, "-ldl", "-o", part / LIBRARY], check=True)
    part.rename(folder)


def provide_kernels(folder: Path, card: Card, spec: SstSpec) -> Build:
    """Compile the SST for a card by NVRTC and for the CPU by g++, under the name by which the driver finds it."""
    build = build_for(spec, card.shared_bytes)
    nvrtc = find_nvrtc(card.architecture, card.driver // 1000)
    cubin = load_cubin(nvrtc, SOURCE, card.architecture, build.options, folder / "cubins")
    build_kernels(folder / "kernels" / f"{_fingerprint(cubin)}.so", build)
    return build


def build_kernels(path: Path, build: Build, flags: Sequence[str] = (), source: Path = SOURCE) -> Path:
    """Build the kernels of `source` for the CPU, unless that is done."""
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        common = ["-O1", "-ffp-contract=off", "-Wall", "-Wno-unknown-pragmas", "-Werror", "-shared", "-fPIC"]
        folders = [f"-I{source.parent}", f"-I{HELPERS}"]
        command = ["g++", *common, *flags, *build.options, *folders, HELPERS / "sst_on_cpu.cpp", "-o", part]
        subprocess.run(command, check=True)
        part.rename(path)
    return path


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of its parent
        return False


def _pycuda() -> Path:
    found = find_spec("pycuda._driver")
    assert found
    assert found.origin
    return Path(found.origin)


def _functions(*which: str | Path) -> set[str]:
    command = ["nm", "--format=just-symbols", *which]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return {name for name in names if name.startswith("cu") and name[2].isupper()}


def _fingerprint(content: bytes) -> str:
    """FNV-1a, 64 bits, as in driver/cubin.hpp."""
    value = 0xCBF29CE484222325
    for byte in content:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"
