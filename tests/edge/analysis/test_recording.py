"""A recording of the twin to a result: right, the same from points, and clear errors."""

import json
import shutil

import numpy as np
import pytest

from edge.analysis import open_recording
from edge.core.errors import InputError
from edge.twin.heart import Heart
from tests.helpers.recordings import START_NS


def test_the_r_peaks_are_the_twins(twin_result):
    truth_s = Heart(70).beats_s(0, 31)
    found_s = (twin_result.r_peak_t_ns - START_NS) / 1e9
    known_s = (twin_result.ecg_t_ns[~np.isnan(twin_result.ecg_mv)] - START_NS) / 1e9
    error_s = np.abs(found_s[:, None] - truth_s).min(axis=1)
    assert (error_s < 0.025).mean() >= 0.95
    expected = truth_s[(truth_s > known_s[0]) & (truth_s < known_s[-1])]
    missed = np.abs(expected[:, None] - found_s).min(axis=1) > 0.1
    assert len(expected) > 15
    assert missed.mean() <= 0.05


def test_the_heart_rate_is_the_twins(twin_result):
    seconds = twin_result.seconds
    valid = np.flatnonzero(~np.isnan(seconds.heart_rate_bpm))
    assert len(valid) >= 15
    for k in valid:
        true_bpm = Heart(70).rate_bpm((seconds.t_ns[k] - START_NS) / 1e9, 10)
        assert seconds.heart_rate_bpm[k] == pytest.approx(true_bpm, abs=3)
        assert seconds.heart_rate_low_bpm[k] <= seconds.heart_rate_bpm[k] <= seconds.heart_rate_high_bpm[k]
    assert (seconds.quality[np.isnan(seconds.heart_rate_bpm)] == "unusable").all()


def test_it_names_where_it_comes_from(twin_result):
    about = twin_result.about
    assert (about.name, about.device, about.note) == ("raw", "radar-7", "a note")
    assert about.started.isoformat() == "2026-05-28T20:26:40.123456+00:00"
    assert about.network.startswith("compact")
    assert (about.frames_received, about.frames_lost) == (3000, 0)
    assert twin_result.start_ns == START_NS
    assert "not a measured lead" in about.lines()[0]
    assert "Research use only" in about.lines()[0]


def test_points_give_the_same_except_for_rounding(twin_result, twin_recordings):
    """Each channel of a block has 16 bits, 2^-15 of its range: far below what changes a result."""
    result, raw = open_recording(twin_recordings / "points").reconstruct(), twin_result
    np.testing.assert_array_equal(result.seconds.flags, raw.seconds.flags)
    np.testing.assert_array_equal(result.seconds.t_ns, raw.seconds.t_ns)
    np.testing.assert_allclose(result.seconds.heart_rate_bpm, raw.seconds.heart_rate_bpm, rtol=1e-3)
    np.testing.assert_allclose(result.seconds.chest_range_m, raw.seconds.chest_range_m)
    np.testing.assert_allclose(result.r_peak_t_ns - START_NS, raw.r_peak_t_ns - START_NS, atol=2e6)
    np.testing.assert_array_equal(np.isnan(result.ecg_mv), np.isnan(raw.ecg_mv))
    np.testing.assert_allclose(result.ecg_mv, raw.ecg_mv, atol=0.02)
    assert result.about.frames_received == raw.about.frames_received


def test_without_a_network_there_are_rates_but_no_ecg(twin_recordings):
    done: list[float] = []
    result = open_recording(twin_recordings / "points").reconstruct(network=None, progress=done.append)
    assert np.isnan(result.ecg_mv).all()
    assert len(result.r_peak_t_ns) == 0
    assert np.nanmedian(result.seconds.heart_rate_bpm) == pytest.approx(70, abs=3)
    assert done == sorted(done)
    assert 0.9 < done[-1] <= 1
    assert result.about.network is None


def test_a_stopped_reconstruction_keeps_what_was_processed(twin_recordings):
    recording = open_recording(twin_recordings / "points")

    def stop_half_way(fraction: float) -> None:
        if fraction > 0.5:
            recording.stop()

    result = recording.reconstruct(network=None, progress=stop_half_way)
    assert not result.completed
    assert 15 <= result.duration_s <= 17
    assert len(result.seconds) == pytest.approx(result.duration_s, abs=1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "frames.idx").write_bytes(b""), "no complete frame"),
        (lambda f: (f / "meta.json").write_text("{"), "damaged"),
        (lambda f: (f / "meta.json").write_text(json.dumps({"format": "x/9"})), "x/9"),
        (lambda f: (f / "chirp.cfg").unlink(), "chirp.cfg is missing"),
        (lambda f: (f / "points.bin").unlink(), "points.bin is missing"),
    ],
)
def test_damage_is_reported(twin_recordings, tmp_path, damage, message):
    damage(shutil.copytree(twin_recordings / "points", tmp_path / "points"))
    with pytest.raises(InputError, match=message):
        open_recording(tmp_path / "points")


def test_a_missing_recording(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such recording"):
        open_recording(tmp_path / "none")
