"""Pictures of recordings, and what is said when there is nothing to draw."""

import numpy as np
import pytest

from edge.__main__ import main
from edge.plot import ChestMotion, draw, motion_of_arrays, sst_of_whole
from edge.spec import RCG_RATE_HZ, SST_BIN_OCTAVES, SST_LOW_HZ
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


def test_the_two_vibrations_of_a_beat_stand_where_they_are(npz):
    """Of every beat: the opening of the valve, 11 Hz, and its closure, 16 Hz, after the R peak by the twin's delays."""
    magnitude, first_s = sst_of_whole(motion_of_arrays(npz).rcg_mm_s2)
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


@pytest.mark.parametrize(
    ("arrays", "says"),
    [({"rate_hz": 100}, "displacement_mm"), ({"displacement_mm": np.zeros((1, 3000))}, "rate_hz")],
    ids=["no displacement", "no rate"],
)
def test_names_what_an_npz_lacks(tmp_path, capsys, arrays, says):
    np.savez(tmp_path / "a.npz", **arrays)
    assert main(["plot", str(tmp_path / "a.npz")]) == 2
    assert says in capsys.readouterr().err


def test_an_npz_that_is_none(tmp_path, capsys):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 not a zip")
    assert main(["plot", str(tmp_path / "a.npz")]) == 2
    assert "a.npz" in capsys.readouterr().err


@pytest.mark.parametrize("start_s", [0.0, 50.0])
def test_nothing_to_draw_is_said(start_s):
    short = np.zeros((1, 5 * RCG_RATE_HZ if start_s == 0 else 10 * RCG_RATE_HZ))
    with pytest.raises(Exception, match="no SST to draw"):
        draw(ChestMotion("short", short, short), start_s)
