"""Gives large objects to other processes: the data of their arrays is stored once, and read without a copy."""

from __future__ import annotations

import mmap
import pickle
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

_VALUE, _ARRAYS = "value.pickle", "arrays.bin"
_ALIGNMENT = 64


class _Pickler(pickle.Pickler):
    """Pickles the data of arrays separately (protocol 5), and arrays mapped from a file by that file's name."""

    def __init__(self, file: BytesIO, buffers: list[pickle.PickleBuffer], by_name: bool) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffers.append)
        self._by_name = by_name

    def reducer_override(self, value: object) -> Any:
        if not isinstance(value, np.memmap):
            return NotImplemented
        if self._by_name and isinstance(value.base, mmap.mmap) and value.flags.c_contiguous:
            return np.memmap, (value.filename, value.dtype, "r", value.offset, value.shape)
        return np.asarray(value).__reduce_ex__(5)


def pack(value: object, by_name: bool) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """Pickle any value; return the pickle and the data of its arrays.

    `by_name`: arrays that are mapped from a file stay in it, so the file must exist where the value is unpacked.
    """
    file, buffers = BytesIO(), list[pickle.PickleBuffer]()
    _Pickler(file, buffers, by_name).dump(value)
    return file.getvalue(), buffers


def save_shared(value: object, folder: Path) -> None:
    """Write a value to an empty folder on this machine, for `load_shared` in other processes."""
    content, buffers = pack(value, by_name=True)
    places = []
    with (folder / _ARRAYS).open("wb") as file:
        file.write(bytes(_ALIGNMENT))  # an empty file could not be mapped
        for buffer in buffers:
            file.write(bytes(-file.tell() % _ALIGNMENT))
            places.append((file.tell(), file.tell() + buffer.raw().nbytes))
            file.write(buffer.raw())
    (folder / _VALUE).write_bytes(pickle.dumps((content, places)))


@cache
def load_shared(folder: Path) -> Any:
    """Return the value in `folder`, which is loaded once in each process. Its arrays are read-only."""
    content, places = pickle.loads((folder / _VALUE).read_bytes())
    arrays = np.memmap(folder / _ARRAYS, np.uint8, "r")
    return pickle.loads(content, buffers=[arrays[begin:end] for begin, end in places])
