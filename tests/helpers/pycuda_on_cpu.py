"""As much of PyCUDA as `edge` uses, on the CPU: memory is numpy's, kernels are g++'s (`cuda_on_cpu.hpp`)."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

PEERS = Path(__file__).parent
ASCENDING, DESCENDING, SHUFFLED = range(3)


class StuckBlockError(Exception):
    """On a GPU this block would never end."""


class Memory:
    """A piece of the device's memory; full of NaN until written."""

    def __init__(self, size: int) -> None:
        self.bytes = np.full(size, 0xFF, np.uint8)

    def __int__(self) -> int:
        return self.bytes.ctypes.data


def to_device(array: np.ndarray) -> Memory:
    memory = Memory(array.nbytes)
    memory.bytes[:] = np.frombuffer(array.tobytes(), np.uint8)
    return memory


def memcpy_dtoh(array: np.ndarray, memory: Memory) -> None:
    array.reshape(-1).view(np.uint8)[:] = memory.bytes


def memcpy_htod_async(memory: Memory, array: np.ndarray, stream: SimpleNamespace) -> None:
    memory.bytes[:] = array.reshape(-1).view(np.uint8)


def memcpy_dtoh_async(array: np.ndarray, memory: Memory, stream: SimpleNamespace) -> None:
    memcpy_dtoh(array, memory)


class Function:
    def __init__(self, entry, device: OneDevice) -> None:
        self._entry, self._device = entry, device
        self._shared_limit = 48 << 10

    def prepare(self, arguments: str) -> None:
        assert set(arguments) == {"P"}
        self._count = len(arguments)

    def set_attribute(self, attribute: str, value: int) -> None:
        assert attribute == "MAX_DYNAMIC_SHARED_SIZE_BYTES"
        assert value <= self._device.shared_bytes
        self._shared_limit = value

    def prepared_async_call(self, grid, block, stream, *pointers, shared_size=0) -> None:
        assert len(pointers) == self._count
        assert all(isinstance(pointer, int) for pointer in pointers)
        assert (grid[1:], block[1:]) == ((1,), (1, 1))
        assert shared_size <= self._shared_limit
        at = (ctypes.c_void_p * len(pointers))(*pointers)
        if not self._entry(grid[0], block[0], ctypes.c_size_t(shared_size), self._device.order, at):
            raise StuckBlockError("some threads ended while others waited at a barrier")


class OneDevice:
    """The modules `pycuda.driver` and `pycuda.compiler` of a machine with one device.

    `order` is that in which threads run; `flags` are g++'s; libraries go to `folder`, one for each set of options.
    """

    def __init__(self, folder: Path, flags: Sequence[str] = (), shared_bytes: int = 166912) -> None:
        self.folder, self.flags, self.shared_bytes, self.order = folder, flags, shared_bytes, ASCENDING
        self.taken = 0
        """Pieces of memory taken, the device's and the host's."""
        device = SimpleNamespace(
            MAX_SHARED_MEMORY_PER_BLOCK_OPTIN=shared_bytes,
            MULTIPROCESSOR_COUNT=8,
            name=lambda: "CPU",
            compute_capability=lambda: (8, 7),
        )
        self.driver = ModuleType("pycuda.driver")
        self.driver.__dict__.update(
            Error=OSError,
            init=lambda: None,
            Context=SimpleNamespace(get_current=lambda: self, get_device=lambda: device),
            Stream=lambda: SimpleNamespace(synchronize=lambda: None, handle=1234),
            get_driver_version=lambda: 12060,
            function_attribute=SimpleNamespace(MAX_DYNAMIC_SHARED_SIZE_BYTES="MAX_DYNAMIC_SHARED_SIZE_BYTES"),
            mem_alloc=self._counted(Memory),
            pagelocked_empty=self._counted(np.empty),
            memcpy_htod_async=memcpy_htod_async,
            memcpy_dtoh_async=memcpy_dtoh_async,
            to_device=to_device,
            memcpy_dtoh=memcpy_dtoh,
        )
        self.compiler = ModuleType("pycuda.compiler")
        self.compiler.__dict__.update(SourceModule=self._compiled)

    def _counted(self, take):
        def counted(*arguments):
            self.taken += 1
            return take(*arguments)

        return counted

    def _compiled(self, source: str, no_extern_c: bool, options: list[str], include_dirs: list[str]):
        assert no_extern_c
        assert "extern" in source
        library = self.folder / f"{abs(hash((*options, *self.flags)))}.so"
        if not library.exists():
            flags = ["-O1", "-ffp-contract=off", "-Wall", "-Wno-unknown-pragmas", "-Werror", "-shared", "-fPIC"]
            folders = [f"-I{folder}" for folder in include_dirs]
            command = ["g++", *flags, *self.flags, *options, *folders, PEERS / "sst_on_cpu.cpp", "-o", library]
            subprocess.run(command, check=True)
        functions = ctypes.CDLL(str(library))
        return SimpleNamespace(get_function=lambda name: Function(getattr(functions, f"{name}_on_cpu"), self))
