"""Loads the compiled parts of this package. They are built at installation, which needs a C compiler."""

from __future__ import annotations

import ctypes
import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.core.errors import InputError
from edge.core.types import Float32

_ALIGN = 64  # bytes: a cache line, and the widest vector


class NotCompiledError(InputError):
    """A compiled part of radarecg is missing; the message gives the remedy."""


def load_compiled(module: str) -> ctypes.CDLL | None:
    """Load the library that was built as `module`; None if it was not built."""
    spec = importlib.util.find_spec(module)
    return ctypes.CDLL(spec.origin) if spec and spec.origin else None


def require_compiled(library: ctypes.CDLL | None) -> ctypes.CDLL:
    """Return the library. Raises NotCompiledError without one."""
    if library is None:
        raise NotCompiledError("not compiled: install a C compiler, then radarecg again (pip install -e .)")
    return library


def address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    """Return the array as an argument of a compiled function. The array must be contiguous and live until it ends."""
    return ctypes.c_void_p(array.ctypes.data)


def aligned(floats: int) -> Float32:
    """Return this many zeros at an address that vector instructions can load from."""
    raw = np.zeros(floats + _ALIGN // 4, np.float32)
    skip = -raw.ctypes.data % _ALIGN // 4
    return raw[skip : skip + floats]
