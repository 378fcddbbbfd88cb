"""Loads the compiled parts of this package. They are built at installation, which needs a C compiler."""

from __future__ import annotations

import ctypes
import importlib.util

import numpy as np

from edge.core.types import Float32

_ALIGN = 64  # bytes: a cache line, and the widest vector


def load_compiled(module: str) -> ctypes.CDLL | None:
    """Load the library that was built as `module`; None if it was not built."""
    spec = importlib.util.find_spec(module)
    return ctypes.CDLL(spec.origin) if spec and spec.origin else None


def aligned(floats: int) -> Float32:
    """Return this many zeros at an address that vector instructions can load from."""
    raw = np.zeros(floats + _ALIGN // 4, np.float32)
    skip = -raw.ctypes.data % _ALIGN // 4
    return raw[skip : skip + floats]
