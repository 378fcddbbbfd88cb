"""Tests plots of recordings, and the error when there is nothing to plot."""

import numpy as np
import pytest

from edge.__main__ import main
from edge.cli.plot import ChestMotion, draw, motion_of_arrays, motion_of_displacement, sst_of_whole
from edge.core.errors import InputError
from edge.core.spec import RCG_RATE_HZ, SST_BIN_OCTAVES, SST_LOW_HZ
from edge.twin.heart import Heart


def heartbeats(seconds: float) -> np.ndarray:
    t_s = np.arange(round(seconds * 100)) / 100
    rng = np.random.default_rng(0)
    return Heart(seed=2).displacement_mm(t_s) + 3e-4 * rng.standard_normal((3, len(t_s)))


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "chest.npz"
    np.savez(path, displacement_mm=heartbeats(16), rate_hz=100, ecg=np.zeros(4000), ecg_rate_hz=250)
    return path


def test_draws_displacement_sst_and_ecg(npz, tmp_path, capsys):
    picture = tmp_path / "a.png"
    assert main(["plot", str(npz), "--picture", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in capsys.readouterr().out
    assert len(draw(motion_of_arrays(npz)).axes) == 3


def test_no_ecg_no_panel(tmp_path):
    np.savez(tmp_path / "a.npz", displacement_mm=heartbeats(12)[0], rate_hz=100)
    assert len(draw(motion_of_arrays(tmp_path / "a.npz")).axes) == 2


def test_the_two_vibrations_of_a_beat_are_at_their_places(npz):
    """Of every beat: the opening of the valve, 11 Hz, and its closure, 16 Hz, after the R peak by the twin's delays."""
    magnitude, first_s = sst_of_whole(motion_of_arrays(npz).rcg_mm_s2), 4.0
    beats_s = Heart(seed=2).beats_s(first_s + 0.2, first_s + magnitude.shape[1] / 30 - 0.8)
    assert len(beats_s) > 5
    for frequency_hz, delay_s in ((11.0, 0.08), (16.0, 0.38)):
        row = int(np.log2(frequency_hz / SST_LOW_HZ) / SST_BIN_OCTAVES)
        energy = magnitude[row - 4 : row + 5].sum(axis=0)
        at = np.rint((beats_s + delay_s * np.sqrt(60 / 68) - first_s) * 30).astype(int)
        assert (energy[at] > 2 * np.median(energy)).all()


def test_draws_a_raw_recording(real_data, tmp_path):
    picture = tmp_path / "b.png"
    arguments = ["--cfg", "firmware_config/iwr6843_recording.cfg", "--iq-order", "studio", "--picture", str(picture)]
    assert main(["plot", str(real_data / "iwr6843_dca1000" / "demo.bin"), *arguments]) == 0
    assert picture.exists()


GOOD = {"displacement_mm": np.zeros((2, 3000)), "rate_hz": 100.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"displacement_mm": None}, "missing array displacement_mm"),
        ({"rate_hz": None}, "missing array rate_hz"),
        ({"rate_hz": 0}, "rate_hz is 0"),
        ({"rate_hz": np.nan}, "rate_hz is nan"),
        ({"rate_hz": [100, 100]}, "one number"),
        ({"displacement_mm": np.zeros((2, 3, 3000))}, "displacement_mm (2, 3, 3000)"),
        ({"displacement_mm": np.zeros((0, 3000))}, "empty"),
        ({"displacement_mm": np.full(3000, np.nan)}, "not finite"),
        ({"displacement_mm": np.array(["a"])}, "plain numbers"),
        ({"displacement_mm": np.array([{}], object)}, "plain numbers"),
        ({"ecg": np.zeros(100)}, "both ecg and ecg_rate_hz"),
        ({"displacement_mm": np.zeros((2, 500))}, "no SST"),
    ],
)
def test_errors_in_an_npz_are_named(tmp_path, capsys, change, message):
    np.savez(tmp_path / "a.npz", **{name: value for name, value in (GOOD | change).items() if value is not None})
    assert main(["plot", str(tmp_path / "a.npz"), "--picture", str(tmp_path / "a.png")]) == 2
    error = capsys.readouterr().err
    assert "a.npz" in error
    assert message in error


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY"])
def test_an_npz_that_is_none(tmp_path, capsys, content):
    (tmp_path / "a.npz").write_bytes(content)
    assert main(["plot", str(tmp_path / "a.npz")]) == 2
    assert "a.npz" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a", "a.xyz"])
def test_a_picture_has_a_kind(npz, tmp_path, capsys, name):
    assert main(["plot", str(npz), "--picture", str(tmp_path / name)]) == 2
    assert ".png, .svg or .pdf" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "start_s"), [(5, 0.0), (10, 50.0)])
def test_nothing_to_draw_is_reported(seconds, start_s):
    short = np.zeros((1, seconds * RCG_RATE_HZ))
    with pytest.raises(InputError, match=r"tracked for .* s; the SST needs 6 s of samples and begins at 4 s"):
        draw(ChestMotion("short", short, short), start_s)


def test_the_ecg_is_not_early():
    click = np.zeros((1, 2000))
    click[0, 1200] = 1
    motion = motion_of_displacement("click", click, RCG_RATE_HZ)
    assert motion.displacement_mm.argmax() == 1200
    assert np.abs(motion.rcg_mm_s2).argmax() == 1200
