"""Reads the files of data sets; every error message names the file and the problem in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from scipy import io

from edge.core.types import Float64
from train.data.trial import TrialError

Array = npt.NDArray[Any]


def find_files(folder: Path, suffix: str) -> list[Path]:
    """Return the folder's files with this suffix in numerical order. Raises TrialError if there is none."""
    files = [path for path in folder.glob(f"*{suffix}") if path.is_file()]
    if not files:
        raise TrialError(f"{folder}: holds no {suffix} file" if folder.is_dir() else f"{folder}: no such folder")
    return sorted(files, key=lambda path: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", path.stem)])


def load_array(path: Path, name: str | None = None) -> Array:
    """Return the array of an .npy file, or the array `name` of an .npz file. Raises TrialError."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file)
            return np.asarray(loaded if name is None else loaded[name])
    except Exception as error:  # a damaged file can make numpy and zipfile raise almost any exception
        raise TrialError(f"{path}: cannot be read ({error!r})") from error


def list_arrays(path: Path) -> list[str]:
    """Return the names of the arrays of an .npz file. Raises TrialError."""
    try:
        with path.open("rb") as file:
            return list(np.load(file))
    except Exception as error:  # a damaged file can make numpy and zipfile raise almost any exception
        raise TrialError(f"{path}: cannot be read ({error!r})") from error


def read_mat(path: Path) -> dict[str, Array]:
    """Return the variables of a MATLAB file, v5, v7 or v7.3 (HDF5), with MATLAB's shapes; text is an array of one str.

    The fields of a struct `data` are returned as variables at top level. Raises TrialError.
    """
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                _require_own_data(file)
                group = file["data"] if isinstance(file.get("data"), h5py.Group) else file
                _require_own_data(group)
                return {name: _from_hdf5(item) for name, item in group.items() if isinstance(item, h5py.Dataset)}
        found = io.loadmat(path)
        struct = found.get("data")
        if struct is not None and struct.dtype.names:
            return {name: struct[name][0, 0] for name in struct.dtype.names}
        return {name: value for name, value in found.items() if not name.startswith("__")}
    except Exception as error:  # a damaged file can make scipy and h5py raise almost any exception
        raise TrialError(f"{path}: not a MATLAB file that can be read ({error!r})") from error


def numbers(path: Path, fields: dict[str, Array], name: str, shape: tuple[int | None, ...]) -> Float64:
    """Return the field `name`, which must be numbers of this shape (None: any size). Raises TrialError."""
    if name not in fields:
        raise TrialError(f"{path}: {name} is missing; the file holds {', '.join(sorted(fields)) or 'nothing'}")
    value = fields[name]
    fits = value.ndim == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, value.shape, strict=True)
    )
    if not fits or value.dtype.kind not in "fiub":
        wanted = " x ".join("n" if size is None else str(size) for size in shape)
        raise TrialError(f"{path}: {name} is {value.dtype} {value.shape}, not numbers {wanted}")
    return value.astype(np.float64)


def _require_own_data(group: h5py.Group) -> None:
    """Raise ValueError if the file names other files as the place of its data: they could be any of this computer."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link, and may lead to another file")
        item = group[name]
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            raise ValueError(f"the values of {name} are in another file")


def _from_hdf5(item: h5py.Dataset) -> Array:
    value = np.asarray(item).T  # MATLAB stores arrays in column-major order
    if item.attrs.get("MATLAB_class") == b"char":
        return np.array(["".join(map(chr, value.ravel()))])
    return np.asarray(value)
