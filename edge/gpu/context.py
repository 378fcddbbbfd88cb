"""PyCUDA and its context. PyCUDA is imported inside the functions, because only machines with a GPU have it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from edge.core.errors import InputError, install_hint


def cuda_driver() -> Any:
    """Return `pycuda.driver` with a context on the current CUDA device, or on the first if none is current.

    Raises InputError if PyCUDA or a device is missing.
    """
    try:
        driver = import_module("pycuda.driver")
    except ImportError as error:
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
