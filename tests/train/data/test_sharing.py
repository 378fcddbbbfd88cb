"""Tests objects for other processes: arrays are stored once, and mapped ones stay in their files."""

import pickle
from functools import partial

import numpy as np

from train.data.sharing import load_shared, pack, save_shared


def test_values_are_read_back_and_shared_arrays_are_stored_once(tmp_path):
    large = np.arange(100_000, dtype=np.float32).reshape(4, -1)
    value = [partial(sum, large), partial(max, large), {"small": np.array([1, 2]), "empty": np.zeros((0, 3)), "x": 1}]
    save_shared(value, tmp_path)
    first, second, third = load_shared(tmp_path)
    assert first.func is sum
    assert first.args[0] is second.args[0]
    np.testing.assert_array_equal(first.args[0], large)
    assert not first.args[0].flags.writeable
    assert third["small"].tolist() == [1, 2]
    assert third["empty"].shape == (0, 3)
    assert third["x"] == 1
    assert load_shared(tmp_path)[0] is first
    stored = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert large.nbytes < stored < 1.1 * large.nbytes


def test_a_value_without_arrays(tmp_path):
    save_shared(["text"], tmp_path)
    assert load_shared(tmp_path) == ["text"]


def test_mapped_arrays_stay_in_their_file_or_are_copied_to_other_machines(tmp_path):
    np.save(tmp_path / "windows.npy", np.arange(24, dtype=np.float16).reshape(2, 3, 4))
    mapped = np.load(tmp_path / "windows.npy", mmap_mode="r")
    content, buffers = pack([mapped, mapped[1]], by_name=True)
    assert [buffer.raw().nbytes for buffer in buffers] == [24]  # a part of it is copied
    whole, part = pickle.loads(content, buffers=buffers)
    assert isinstance(whole, np.memmap)
    np.testing.assert_array_equal(whole, mapped)
    np.testing.assert_array_equal(part, mapped[1])
    content, buffers = pack(mapped, by_name=False)
    (tmp_path / "windows.npy").unlink()
    assert [buffer.raw().nbytes for buffer in buffers] == [48]
    np.testing.assert_array_equal(pickle.loads(content, buffers=buffers), np.arange(24).reshape(2, 3, 4))
