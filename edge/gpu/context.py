"""PyCUDA and its context. PyCUDA is imported inside the functions, because only machines with a GPU have it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from edge.core.errors import InputError, install_hint


def cuda_driver() -> Any:
    """Return `pycuda.driver` with a context on the current CUDA device, or on the first if none is current.

    Raises InputError if PyCUDA, NVIDIA's driver or a device is missing.
    """
    try:
        driver = import_module("pycuda.driver")
    except ImportError as error:
        if "libcuda" in str(error):
            raise InputError(
                f"no NVIDIA driver ({error}): install it, or start the container with the NVIDIA runtime"
            ) from error
        raise InputError(f"no PyCUDA ({error}): on a machine with CUDA, {install_hint('jetson')}") from error
    try:
        driver.init()
        if driver.Context.get_current() is None:
            import_module("pycuda.autoprimaryctx")
    except (driver.Error, RuntimeError) as error:
        raise InputError(f"no CUDA device ({error}): check the output of nvidia-smi, or compute on the CPU") from error
    return driver


@contextmanager
def translate_cuda_errors(driver: Any) -> Iterator[None]:
    """Convert CUDA errors in the block to InputError."""
    try:
        yield
    except driver.Error as error:
        raise InputError(
            f"the GPU reports: {' '.join(str(error).split())}; check which other programs use it, and start again"
        ) from error


@contextmanager
def cuda_context() -> Iterator[None]:
    """Make a CUDA context current on this thread: the present one, or the primary context within the block.

    Raises InputError as `cuda_driver` does.
    """
    if cuda_driver().Context.get_current() is not None:
        yield
        return
    context = import_module(
        "pycuda.autoprimaryctx"
    ).context  # the import makes it current only on the thread that imports it first
    context.push()
    try:
        yield
    finally:
        context.pop()  # PyCUDA aborts the process if a thread ends with a current context


class GpuOwner:
    """Base of objects that own GPU memory: it is freed with the context current, whichever thread drops them.

    PyCUDA frees nothing on a thread on which its context is not current: the memory would be lost until the program
    ends, for example that of a network that another thread has loaded and rejected.
    """

    def __del__(self) -> None:
        context = getattr(sys.modules.get("pycuda.autoprimaryctx"), "context", None)
        if context is None:  # not made here, or the program ends
            return
        context.push()
        try:
            self.__dict__.clear()
        finally:
            context.pop()
