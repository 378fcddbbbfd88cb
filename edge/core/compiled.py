"""Loads the package's compiled parts: C without Python's API, built at installation and called with ctypes."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.core.errors import InputError
from edge.core.types import Float32

_ALIGN = 64  # bytes: a cache line, and the widest vector


class NotCompiledError(InputError):
    """A compiled part of radarecg is missing; the message gives the remedy."""


def load_library(module: str, symbol: str, layout: Sequence[int]) -> ctypes.CDLL | None:
    """Load an extension module as a library; None when it is not built.

    Args:
        module: Name of the extension module.
        symbol: An array of int32 in it: sizes of its structures, and other numbers that Python also has.
        layout: What the array must contain.

    Raises ImportError when it contains something else.
    """
    spec = importlib.util.find_spec(module)
    if not spec or not spec.origin:
        return None
    library = ctypes.CDLL(spec.origin)
    if list((ctypes.c_int32 * len(layout)).in_dll(library, symbol)) != list(layout):
        raise ImportError(f"{spec.origin} was built from another version of the sources: run pip install -e . again")
    return library


def require_compiled(library: ctypes.CDLL | None) -> ctypes.CDLL:
    """Return the library. Raises NotCompiledError without one."""
    if library is None:
        raise NotCompiledError("not compiled: install a C compiler, then radarecg again (pip install -e .)")
    return library


def address(array: npt.NDArray[Any]) -> Any:
    """Return the array as an argument of a compiled function. The array must be contiguous and live until it ends."""
    if array.flags.writeable and array.size:
        return ctypes.byref(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]  # a third of the time
    return ctypes.c_void_p(array.ctypes.data)


def aligned(floats: int) -> Float32:
    """Return this many zeros at an address that vector instructions can load from."""
    raw = np.zeros(floats + _ALIGN // 4, np.float32)
    skip = -raw.ctypes.data % _ALIGN // 4
    return raw[skip : skip + floats]
