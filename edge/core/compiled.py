"""Loads the package's compiled parts: C without Python's API, built at installation and called with ctypes."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence


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
