"""Tests cached spectrograms: equal to the device's, resumable, and recomputed for changed recordings."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge.core.spec import RCG_RATE_HZ, SstSpec
from edge.dsp.frontend.phase import SecondDerivative
from edge.dsp.sst.transform import HighPass, Sst, spectrograms
from edge.twin.heart import Heart
from train.data.spectrograms import count_windows, window_samples, write_spectrograms
from train.data.workers import LocalWorkers


def rcg(seconds: float, seed: int) -> np.ndarray:
    t_s = np.arange(round(seconds * RCG_RATE_HZ)) / RCG_RATE_HZ
    moved = Heart(seed=seed).displacement_mm(t_s) + np.random.default_rng(seed).normal(0, 3e-4, (3, len(t_s)))
    return SecondDerivative(RCG_RATE_HZ).push(moved, np.ones(len(t_s), bool))[1]


def test_writes_what_the_device_computes_and_does_not_do_it_twice(tmp_path, request):
    recordings = {"a": rcg(9, 1), "b": rcg(12.5, 2)}
    recordings["b"][1, 500] = np.nan
    paths = write_spectrograms(recordings, tmp_path / "new", workers=LocalWorkers(2))
    for name, x in recordings.items():
        for stored, (_, window) in zip(np.load(paths[name]), spectrograms(x), strict=True):
            lost = np.isnan(window.scale)
            np.testing.assert_array_equal(stored[~lost], window.values[~lost].astype(np.float16))
            assert np.isnan(stored[lost]).all()
    assert set((tmp_path / "new").iterdir()) == set(paths.values())
    before = paths["a"].stat().st_mtime_ns
    paths["b"].unlink()
    request.getfixturevalue("in_process")
    assert write_spectrograms(recordings, tmp_path / "new") == paths
    assert paths["a"].stat().st_mtime_ns == before
    assert paths["b"].exists()


@pytest.mark.usefixtures("in_process")
def test_another_definition_or_other_samples_are_another_file(tmp_path):
    x = rcg(9, 1)
    paths = [
        write_spectrograms({"a": samples}, tmp_path, spec, workers=LocalWorkers(1))["a"]
        for samples, spec in ((x, SstSpec()), (x, SstSpec(30)), (x + 1e-3, SstSpec()))
    ]
    assert len(set(paths)) == 3


def test_a_window_shows_its_own_samples():
    x = rcg(9, 3)
    windows = [window for _, window in spectrograms(x)]
    assert len(windows) == count_windows(x.shape[1])
    samples = window_samples(1)
    segment = HighPass().push(x)[:, samples.start - 400 :][:, : SstSpec().segment].astype(np.float32)
    again = Sst(3)(segment).values
    assert (np.abs(windows[1].values - again) > 1e-4).mean() < 1e-3


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("short", (1, 1000), r"short: RCG \(1, 1000\) holds no window"),
        ("flat", (3000,), "flat"),
        ("../up", (1, 2000), "name"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path, name, shape, message):
    with pytest.raises(ValueError, match=message):
        write_spectrograms({name: np.zeros(shape)}, tmp_path / "none")
    assert not (tmp_path / "none").exists()


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from train.data.spectrograms import write_spectrograms
from train.data.workers import LocalWorkers
if __name__ == "__main__":
    noise = np.random.default_rng(0).standard_normal((20, 4000))
    write_spectrograms({f"r{n}": noise for n in range(300)}, Path(sys.argv[1]), workers=LocalWorkers(1))
"""


@pytest.mark.slow  # a process that starts others
def test_an_interrupt_keeps_what_is_done_and_starts_no_more(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    folder = tmp_path / "out"
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    run = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", folder], env=env, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while not list(folder.glob("*.npy")):
        assert run.poll() is None
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(600) != 0
    assert len(list(folder.glob("*.npy"))) < 300
