"""Tests the reader of own recordings with the twin as reference: timing, gaps, clocks and damaged files."""

import numpy as np
import pytest
from scipy import signal

from edge.core.errors import InputError
from edge.core.spec import RCG_RATE_HZ
from edge.core.types import RawFrame
from edge.radar.iq import encode
from edge.sources.recording import INDEX_ROW, Recorder
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from edge.twin.scene import Scene
from train.data.readers import own
from train.data.readers.table import READERS
from train.data.trial import TrialError


def record(folder, chirp, heart: Heart, seconds: float, lost=(), start_s: float = 1.7e9) -> None:
    """A recording of the twin and an ECG with its own time: a pulse at every R peak, on a slow ramp."""
    twin = Fmcw(chirp, Scene(heart))
    with Recorder(folder, chirp, "sdk") as recorder:
        for first in range(0, round(seconds / chirp.frame_period_s), 10):
            for seq, iq in enumerate(twin.frames(first, 10), first):
                data = encode(iq, "sdk")
                t_ns = round((start_s + seq * chirp.frame_period_s) * 1e9)
                if seq not in lost:
                    recorder.write(RawFrame(seq, t_ns, data, len(data)))
    t_s = np.arange(-1, seconds + 1, 0.002)
    np.savetxt(
        folder / "ecg.csv", np.stack([t_s + start_s, t_s], axis=1), "%.6f", ",", header="t_s,ecg_mv", comments=""
    )


@pytest.mark.parametrize(("chirp", "band_hz"), [("mmecg", (3, 25)), ("iwr6843", (1.5, 6))])
def test_own_recordings_align_with_the_ecg(tmp_path, request, chirp, band_hz):
    heart = Heart()
    record(tmp_path / "anna", request.getfixturevalue(chirp), heart, 12)
    (tmp_path / "anna" / "subject.toml").write_text('subject = "p1"\nstatus = "SP"\n')
    (found,) = READERS["own"](tmp_path)
    assert (found.name, found.subject, found.status) == ("anna-01", "p1", "SP")
    assert found.seconds > 11
    band = signal.butter(3, band_hz, "bandpass", fs=RCG_RATE_HZ, output="sos")
    rcg = signal.sosfiltfilt(band, found.rcg.astype(float))
    lags_s = np.arange(-0.03, 0.03, 0.0025)
    match = np.zeros((len(lags_s), len(rcg)))
    for k, lag_s in enumerate(lags_s):
        moved = [heart.displacement_mm(found.ecg - lag_s + h) for h in (-1e-3, 0, 1e-3)]
        truth = signal.sosfiltfilt(band, moved[0] - 2 * moved[1] + moved[2])
        match[k] = [np.corrcoef(truth[300:-300], channel[300:-300])[0, 1] for channel in rcg]
    best = match.max(axis=0).argmax()
    assert match[:, best].max() > 0.9
    # The twin's heart takes some 5 ms more to the rest of the chest; the rest is within a sample.
    assert 0 <= lags_s[match[:, best].argmax()] <= 0.01


def test_own_recordings_are_parted_at_gaps(tmp_path, iwr6843):
    lost = {240, *range(460, 470), *range(730, 740), *range(745, 760)}
    record(tmp_path / "anna", iwr6843, Heart(), 40, lost)
    rows = (tmp_path / "anna" / "ecg.csv").read_text().splitlines(keepends=True)
    # Row 1 is at -1 s, so the ECG's own gap is 35 s after the radar's start; from then on no part has 10 s.
    (tmp_path / "anna" / "ecg.csv").write_text("".join(rows[:18001] + rows[18101:]))
    one, two, three = READERS["own"](tmp_path / "anna")
    assert [t.name for t in (one, two, three)] == ["anna-01", "anna-02", "anna-03"]
    assert 11.9 < one.ecg[-1] < 12 < two.ecg[0] < 12.1
    assert 22.4 < two.ecg[-1] < 23
    assert 23.8 < three.ecg[0] < 23.9  # after a gap of 0.5 s the resampler waits for eight frames
    assert three.ecg[-1] == pytest.approx(35, abs=0.02)
    assert {t.subject for t in (one, two, three)} == {"anna"}


def test_own_recordings_follow_the_host_s_clock_through_jitter_but_not_through_a_jump(tmp_path, iwr6843):
    record(tmp_path / "anna", iwr6843, Heart(), 30)
    path = tmp_path / "anna" / "frames.idx"
    rows = np.fromfile(path, INDEX_ROW)
    (plain,) = own.read(tmp_path)
    late_ns = np.random.default_rng(1).exponential(2e6, len(rows))
    late_ns[100:110] += 3e8  # a stall
    fast_ns = 5e-5 * (rows["t_ns"] - rows["t_ns"][0])
    rows["t_ns"] += (late_ns + fast_ns).astype(int)
    rows.tofile(path)
    (found,) = own.read(tmp_path)
    np.testing.assert_allclose(found.ecg, plain.ecg + np.linspace(0, 1.5e-3, len(plain.ecg)), atol=3e-3)
    rows["t_ns"][300:] += 10**9
    rows.tofile(path)
    with pytest.raises(TrialError, match="clock was set"):
        list(own.read(tmp_path))


def test_own_recordings_without_an_ecg_of_that_time_are_refused(tmp_path, iwr6843):
    record(tmp_path / "anna", iwr6843, Heart(), 12)
    path = tmp_path / "anna" / "ecg.csv"
    table = np.loadtxt(path, delimiter=",", skiprows=1) + [3600, 0]
    np.savetxt(path, table, "%.6f", ",", header="t_s,ecg_mv", comments="")
    with pytest.raises(TrialError, match="not 10 s without a gap"):
        list(own.read(tmp_path))
    path.write_text("t_s,ecg_mv\n1.0,0.0\n0.5,0.0\n")
    with pytest.raises(TrialError, match="rising"):
        list(own.read(tmp_path))
    (tmp_path / "anna" / "subject.toml").write_text('name = "anna"\n')
    with pytest.raises(TrialError, match=r"subject.toml: .*name"):
        list(own.read(tmp_path))
    path.unlink()
    (tmp_path / "anna" / "subject.toml").unlink()
    with pytest.raises(TrialError, match=r"ecg.csv"):
        list(own.read(tmp_path))


def test_a_file_that_is_no_recording_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "meta.json").write_text("{}")
    (tmp_path / "a" / "ecg.csv").write_text("t_s,ecg_mv\n0,0\n5,0\n11,0\n")
    with pytest.raises(InputError, match="not a recording"):
        list(own.read(tmp_path))
