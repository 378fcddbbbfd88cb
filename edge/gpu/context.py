"""PyCUDA, with a current context. It is loaded here and nowhere above: only a machine with a GPU has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from edge.core.errors import InputError, install_hint


def cuda_driver() -> Any:
    """`pycuda.driver` on the current CUDA device, or on the first when none is current.

    Raises InputError without PyCUDA and without a device.
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
        raise InputError(f"no CUDA device ({error}): look at what nvidia-smi says, or compute on the CPU") from error
    return driver


@contextmanager
def translate_cuda_errors(driver: Any) -> Iterator[None]:
    """Raises InputError for what CUDA reports inside."""
    try:
        yield
    except driver.Error as error:
        raise InputError(
            f"the GPU reports: {' '.join(str(error).split())}; look at what else uses it, and start again"
        ) from error


@contextmanager
def cuda_context() -> Iterator[None]:
    """A current context on whatever thread this is: the one it has, or for the time being the primary one.

    Raises InputError as `cuda_driver` does.
    """
    if cuda_driver().Context.get_current() is not None:
        yield
        return
    context = import_module("pycuda.autoprimaryctx").context  # current on the thread that loaded it first, only
    context.push()
    try:
        yield
    finally:
        context.pop()  # PyCUDA aborts the process when a thread ends with one
