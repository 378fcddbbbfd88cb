"""Tests the reader of NYUv2's layout on rooms written in it, and that every hole is one clear error."""

import numpy as np
import pytest

from train.scenes import __main__ as command
from train.scenes.nyuv2 import NyuV2, SceneError
from train.scenes.rooms import Rooms


def write(folder, count=3, seed=1):
    rooms = Rooms(count, seed)
    for number in range(count):
        room = rooms[number]
        for kind, values in {
            "image": room.image, "label": room.label.astype(np.float64),
            "depth": room.depth[..., None], "normal": room.normal,
        }.items():  # fmt: skip
            (folder / kind).mkdir(parents=True, exist_ok=True)
            np.save(folder / kind / f"{number}.npy", values)
    return rooms


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train")
    write(tmp_path / "val", 2, seed=2)
    return tmp_path


def test_what_was_written_is_read(folder):
    rooms, read = Rooms(3, 1), NyuV2(folder, "train")
    assert (len(read), len(NyuV2(folder, "val")), read.size) == (3, 2, (48, 64))
    for number in range(3):
        for field in ("image", "label", "depth", "normal"):
            np.testing.assert_array_equal(getattr(read[number], field), getattr(rooms[number], field))


def change(path, edit):
    values = np.load(path)
    np.save(path, edit(values))


def put(where, value):
    def edit(values):
        values[where] = value
        return values

    return edit


HOLES = {
    "a missing file": (lambda f: (f / "train/depth/1.npy").unlink(), r"train/depth/1.npy is missing; 3 scenes"),
    "a missing number": (
        lambda f: [(f / "train" / kind / "1.npy").unlink() for kind in ("image", "label", "depth", "normal")],
        r"train/image/1.npy is missing",
    ),
    "no folder": (lambda f: (f / "val/normal").rename(f / "val/normals"), r"val/normal: no such folder; the layout is"),
    "nothing": (
        lambda f: [path.unlink() for path in (f / "val").rglob("*.npy")],
        r"val: no scene; the layout is .*image,label",
    ),
    "another shape": (
        lambda f: change(f / "train/depth/2.npy", lambda x: x[..., 0]),
        r"train/depth/2.npy: shape \(48, 64\); \(48, 64, 1\) is needed",
    ),
    "another size": (
        lambda f: change(f / "train/label/0.npy", lambda x: x[:40]),
        r"train/label/0.npy: shape \(40, 64\); \(48, 64\) is needed",
    ),
    "channels first": (
        lambda f: change(f / "val/image/0.npy", lambda x: np.moveaxis(x, -1, 0)),
        r"val/image/0.npy: shape \(3, 48, 64\)",
    ),
    "no array": (lambda f: (f / "val/depth/0.npy").write_bytes(b"what?"), r"val/depth/0.npy: not a NumPy array"),
    "NaN depth": (
        lambda f: [change(f / f"train/depth/{k}.npy", put((3, 4), np.nan)) for k in range(3)],
        r"train/depth/\d.npy: the value at \(3, 4, 0\) is not finite; 0 marks",
    ),
    "a negative depth": (
        lambda f: [change(f / f"train/depth/{k}.npy", put((0, 0), -1)) for k in range(3)],
        r"train/depth/\d.npy: values from -1 to .* 0 to inf is the range",
    ),
    "a class too high": (
        lambda f: [change(f / f"val/label/{k}.npy", put((0, 0), 40)) for k in range(2)],
        r"val/label/\d.npy: values from -1 to 40; -1 to 12",
    ),
    "half a class": (
        lambda f: [change(f / f"val/label/{k}.npy", put((0, 0), 1.5)) for k in range(2)],
        r"val/label/\d.npy: a label is no whole number",
    ),
    "an image of bytes": (
        lambda f: [change(f / f"train/image/{k}.npy", lambda x: 255 * x) for k in range(3)],
        r"train/image/\d.npy: values from .*; 0 to 1 is the range",
    ),
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_one_clear_error_of_the_command(folder, hole, tmp_path, capsys):
    make, message = HOLES[hole]
    make(folder)
    settings = tmp_path / "x.toml"
    settings.write_text('nyuv2 = "."\n[training]\nepochs = 1\nsteps = 2\nbatch = 2\n')
    out = str(tmp_path / "run")
    assert command.main(["--preset", str(settings), "--strategies", "ew", "--out", out]) == 2
    error = capsys.readouterr().err
    assert error.startswith("train.scenes: error: ")
    assert len(error.splitlines()) == 1
    with pytest.raises(SceneError, match=message):
        raise SceneError(error)
