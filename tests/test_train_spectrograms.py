"""Windows of whole recordings on disk: the device's own, resumable."""

import numpy as np
import pytest

from edge.dsp.phase import SecondDerivative
from edge.dsp.sst import HighPass, Sst, spectrograms
from edge.spec import RCG_RATE_HZ, SstSpec
from edge.twin.heart import Heart
from train.spectrograms import count_windows, window_samples, write_spectrograms


def rcg(seconds: float, seed: int) -> np.ndarray:
    t_s = np.arange(round(seconds * RCG_RATE_HZ)) / RCG_RATE_HZ
    moved = Heart(seed=seed).displacement_mm(t_s) + np.random.default_rng(seed).normal(0, 3e-4, (3, len(t_s)))
    return SecondDerivative(RCG_RATE_HZ).push(moved, np.ones(len(t_s), bool))[1]


def test_writes_what_the_device_computes_and_does_not_do_it_twice(tmp_path):
    recordings = {"a": rcg(9, 1), "b": rcg(12.5, 2)}
    paths = write_spectrograms(recordings, tmp_path / "new", processes=2)
    for name, x in recordings.items():
        windows = np.load(paths[name])
        expected = [window.values for _, window in spectrograms(x)]
        np.testing.assert_array_equal(windows, np.array(expected, np.float16))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.npy", "b.npy"]
    before = paths["a"].stat().st_mtime_ns
    paths["b"].unlink()
    write_spectrograms(recordings, tmp_path / "new", processes=1)
    assert paths["a"].stat().st_mtime_ns == before
    assert paths["b"].exists()


@pytest.mark.parametrize("spec", [SstSpec(), SstSpec(look_ahead_s=0.5)], ids=str)
def test_a_window_shows_the_samples_it_says(spec):
    x = rcg(9, 3)
    windows = [window for _, window in spectrograms(x, spec)]
    assert len(windows) == count_windows(x.shape[1], spec)
    samples = window_samples(1)
    segment = HighPass().push(x)[:, samples.start - 400 :][:, : spec.segment].astype(np.float32)
    again = Sst(3, spec)(segment).values
    assert (np.abs(windows[1].values - again) > 1e-4).mean() < 1e-3


def test_a_recording_without_a_window_is_named(tmp_path):
    with pytest.raises(ValueError, match="short: 1000 samples hold no window; 1200"):
        write_spectrograms({"short": np.zeros((1, 1000))}, tmp_path)
