"""The reader of MSCardio: which people, what rate, damaged files, and the real set."""

import numpy as np
import pytest

from edge.core.spec import RCG_RATE_HZ
from tests.train.data.test_motion_beats import SECONDS, seismocardiogram
from train.data.peaks import find_beats
from train.data.readers import mscardio
from train.data.readers.table import READERS
from train.data.trial import TrialError


def write_person(folder, number: int, **changed) -> None:
    """Write one recording of a heart at 72 bpm, sampled at about 100 Hz with jitter, tilted against gravity."""
    x, _ = seismocardiogram(72, 0.1, seed=number)
    rng = np.random.default_rng(number)
    t_s = 3.0 + np.arange(0, SECONDS - 1, 0.01) + rng.uniform(-0.002, 0.002, (SECONDS - 1) * 100)
    z = 9.8 + np.interp(t_s - 3.0, np.arange(len(x)) / RCG_RATE_HZ, x)
    arrays = {"t_001": t_s, "acc_001": np.stack([0 * z, 0 * z, z]).astype(np.float32)} | changed
    np.savez(folder / f"{number:04d}.npz", **arrays)


def test_only_people_with_even_numbers_are_trained_on(tmp_path):
    for number in (1, 2, 3, 4):
        write_person(tmp_path, number)
    assert {trial.subject for trial in READERS["mscardio"](tmp_path)} == {"0002", "0004"}
    assert {trial.subject for trial in READERS["mscardio_test"](tmp_path)} == {"0001", "0003"}


def test_a_trial_has_the_beats_of_the_motion(tmp_path):
    write_person(tmp_path, 2)
    trial = next(READERS["mscardio"](tmp_path))
    assert trial.ecg is None
    assert trial.rcg.shape[0] == 1
    assert abs(np.median(trial.rcg)) < 10  # gravity, 9800 mm/s^2, is not the chest's motion
    assert 60 / np.diff(trial.r_peaks_s).mean() == pytest.approx(72, rel=0.05)
    assert trial.r_peaks_s[-1] <= trial.seconds


def test_a_gap_ends_the_recording(tmp_path):
    t_s = np.concatenate([np.arange(0, 30, 0.01), np.arange(31, 40, 0.01)])
    write_person(tmp_path, 2, t_001=t_s, acc_001=np.zeros((3, len(t_s))))
    (recording,) = mscardio.read_recordings(tmp_path)
    assert len(recording.acceleration_mm_s2) / RCG_RATE_HZ == pytest.approx(30, abs=0.02)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"acc_001": np.zeros((2, 50))}, r"acc_001 is \(2, 50\)"),
        ({"t_001": np.zeros(5900)}, "does not rise"),
        ({"t_001": np.arange(5900.0)}, "fewer than 50 samples"),
        ({"acc_001": np.full((3, 5900), np.nan)}, "not finite"),
    ],
)
def test_damaged_recordings_are_reported(tmp_path, changed, message):
    write_person(tmp_path, 2, **changed)
    with pytest.raises(TrialError, match=message):
        list(mscardio.read_recordings(tmp_path))


def test_damaged_files_are_named(tmp_path):
    write_person(tmp_path, 2)
    path = tmp_path / "0002.npz"
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:100], b"", b"no such format" * 99):
        path.write_bytes(damaged)
        with pytest.raises(TrialError, match=f"{path.name}: cannot be read"):
            list(READERS["mscardio"](tmp_path))
    path.rename(tmp_path / "notes.npz")
    with pytest.raises(TrialError, match="person's number"):
        list(READERS["mscardio"](tmp_path))


def test_the_real_set_has_plausible_beats(real_data):
    trials = mscardio.read(real_data / "mscardio")
    found = [next(trials) for _ in range(5)]
    assert all(int(trial.subject) % 2 == 0 for trial in found)
    for trial in found:
        assert find_beats(trial).good.mean() > 0.9
