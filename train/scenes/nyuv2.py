"""Reads NYUv2 in the layout that multi-task programs use: {train,val}/{image,label,depth,normal}/{i}.npy.

795 scenes to train on and 654 to validate on, 288 x 384 pixels, numbered from 0: image [H, W, 3] in 0..1, label [H, W]
from -1 to 12, depth [H, W, 1] in m, normal [H, W, 3]. The set itself is not part of this project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge.core.errors import InputError
from train.scenes.scene import CLASSES, UNLABELLED, Scene

Part = Literal["train", "val"]
KINDS = {"image": 3, "label": None, "depth": 1, "normal": 3}
"""Folder -> channels; a label has none."""
RANGES = {"image": (0, 1), "label": (UNLABELLED, len(CLASSES) - 1), "depth": (0, np.inf), "normal": (-1.01, 1.01)}
LAYOUT = "{train,val}/{image,label,depth,normal}/{i}.npy, i from 0"


class SceneError(InputError):
    """A file of a scene set is missing or cannot be used; the message names it."""


class NyuV2:
    """One part of the set. Raises SceneError, here if a number or size is wrong, on access for other content."""

    def __init__(self, folder: Path, part: Part) -> None:
        self._folder = folder / part
        self._count = _count_scenes(self._folder)
        self.size = self._check_sizes()

    def __len__(self) -> int:
        """Return the number of scenes."""
        return self._count

    def __getitem__(self, number: int) -> Scene:
        """Read a scene. Raises SceneError."""
        image, label, depth, normal = (self._read(kind, number) for kind in KINDS)
        if (label != label.round()).any():
            raise SceneError(f"{self._path('label', number)}: a label is no whole number")
        return Scene(
            image.astype(np.float32),
            label.astype(np.int64),
            depth[..., 0].astype(np.float32),
            normal.astype(np.float32),
        )

    def _read(self, kind: str, number: int) -> npt.NDArray[np.generic]:
        path, (low, high) = self._path(kind, number), RANGES[kind]
        values = np.load(path)
        if not np.isfinite(values).all():
            where = tuple(int(k) for k in np.argwhere(~np.isfinite(values))[0])
            raise SceneError(f"{path}: the value at {where} is not finite; 0 marks a pixel without {kind}")
        if values.min() < low or values.max() > high:
            raise SceneError(f"{path}: values from {values.min():g} to {values.max():g}; {low} to {high} is the range")
        return np.asarray(values)

    def _check_sizes(self) -> tuple[int, int]:
        """Return the height and width of all scenes; reads only the files' headers."""
        size: tuple[int, ...] | None = None
        for number in range(self._count):
            for kind, channels in KINDS.items():
                path = self._path(kind, number)
                try:
                    shape = np.load(path, mmap_mode="r").shape
                except (ValueError, EOFError) as error:
                    raise SceneError(f"{path}: not a NumPy array, or a damaged one ({error})") from error
                size = size or shape[:2]
                wanted = size if channels is None else (*size, channels)
                if shape != wanted or len(size) != 2:
                    raise SceneError(f"{path}: shape {shape}; {wanted} is needed, as of the other files")
        assert size is not None  # there is at least one scene
        return size[0], size[1]

    def _path(self, kind: str, number: int) -> Path:
        return self._folder / kind / f"{number}.npy"


def _count_scenes(folder: Path) -> int:
    """Return the number of scenes in a part's folder, which must be numbered without a hole."""
    numbers = {}
    for kind in KINDS:
        if not (folder / kind).is_dir():
            raise SceneError(f"{folder / kind}: no such folder; the layout is {LAYOUT}")
        numbers[kind] = {path.stem for path in (folder / kind).glob("*.npy")}
    every = {name for names in numbers.values() for name in names}
    if not every:
        raise SceneError(f"{folder}: no scene; the layout is {LAYOUT}")
    for kind, names in numbers.items():
        if missing := sorted({*map(str, range(len(every)))} - names, key=int):
            raise SceneError(f"{folder / kind / missing[0]}.npy is missing; {len(every)} scenes are numbered from 0")
    return len(every)
