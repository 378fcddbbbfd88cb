import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from train.data.augment import at_frame_rate, coloured, constant_noise, cut, disturb, movement, sloped_noise, unrest


def test_another_pace_moves_every_event_in_proportion():
    t = np.arange(3000)
    rcg = np.stack([np.cos(2 * np.pi * 20 / 200 * t), np.exp(-0.5 * ((t - 1000) / 3) ** 2)]).astype(np.float32)
    part = cut(rcg, 500, 1200, 1.1)
    expected = 500 + 1.1 * np.arange(1200)
    np.testing.assert_allclose(part[0], np.cos(2 * np.pi * 20 / 200 * expected), atol=5e-3)
    assert part[1].argmax() == round((1000 - 500) / 1.1)


@pytest.mark.parametrize(("start", "pace"), [(0.0, 1.17), (500.25, 0.83), (1999 - 1199 * 1.2, 1.2)])
def test_another_pace_is_scipys_cubic_spline(start, pace):
    rcg = np.random.default_rng(1).standard_normal((3, 2000), dtype=np.float32)
    at = start + pace * np.arange(1200)
    expected = CubicSpline(np.arange(2000), rcg, axis=1)(at)
    ends = slice(20, -20)  # two splines with other conditions at their ends agree to 0.27 per sample further inside
    np.testing.assert_allclose(cut(rcg, start, 1200, pace)[:, ends], expected[:, ends], atol=1e-5)


def test_the_same_pace_changes_nothing():
    rcg = np.random.default_rng(1).standard_normal((4, 2000), dtype=np.float32)
    np.testing.assert_array_equal(cut(rcg, 300, 1200, 1.0, np.array([2, 0])), rcg[[2, 0], 300:1500])


@pytest.mark.parametrize("snr_db", [6.0, -3.0])
def test_noise_has_the_power_asked_for(snr_db):
    noise = constant_noise((50, 4000), 4.0, snr_db, np.random.default_rng(1))
    assert 10 * np.log10(4.0 / np.square(noise).mean()) == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize("slope", [-1.0, 0.0, 1.0, 2.0])
def test_noise_of_a_weak_echo_rises_as_steeply_as_asked_for(slope):
    noise = sloped_noise((50, 1201), 4.0, -20.0, slope, np.random.default_rng(1))
    assert noise.shape == (50, 1201)
    assert 10 * np.log10(4.0 / np.square(noise).mean()) == pytest.approx(-20, abs=0.1)
    amplitude = np.sqrt(np.square(np.abs(np.fft.rfft(noise))).mean(axis=0))
    assert np.log2(amplitude[380:420].mean() / amplitude[190:210].mean()) == pytest.approx(slope, abs=0.1)


def test_unrest_is_in_its_band_and_common_to_the_points():
    noise = unrest((40, 4000), 4.0, -20.0, 8.0, np.random.default_rng(1))
    assert 10 * np.log10(4.0 / np.square(noise).mean()) == pytest.approx(-20, abs=0.1)
    power = np.square(np.abs(np.fft.rfft(noise))).sum(axis=0)
    hertz = np.fft.rfftfreq(4000, 1 / 200)
    inside = (hertz > 8 / 2**1.4) & (hertz < 8 * 2**1.4)  # two standard deviations on either side
    assert power[inside].sum() > 0.95 * power.sum()
    # Two points share 1 of a variance of 1 + 0.4^2; the band leaves some 200 independent values.
    assert np.median(np.corrcoef(noise)[0]) == pytest.approx(1 / 1.16, abs=0.1)


def test_a_lower_frame_rate_loses_what_is_above_half_of_it():
    t_s = np.arange(2000) / 200
    tones = np.stack([np.cos(2 * np.pi * hertz * t_s) for hertz in (5, 9.9, 15)]).astype(np.float32)
    gains = at_frame_rate(tones, 20.0).std(axis=1) / tones.std(axis=1)
    np.testing.assert_allclose(gains, [1.0, 0.5, 0.0], atol=0.03)
    np.testing.assert_array_equal(at_frame_rate(tones, np.inf), tones)


@pytest.mark.parametrize(("tilt_db", "low_pass_hz"), [(0.0, np.inf), (6.0, np.inf), (-6.0, np.inf), (0.0, 15.0)])
def test_another_chest_tilts_the_spectrum_and_delays_nothing(tilt_db, low_pass_hz):
    click = np.zeros((2, 801), np.float32)
    click[:, 400] = 1
    filtered = coloured(click, tilt_db, low_pass_hz)
    assert filtered.dtype == np.float32
    assert np.argmax(np.abs(filtered), axis=1).tolist() == [400, 400]
    np.testing.assert_allclose(filtered[:, 399::-1], filtered[:, 401:801], atol=1e-5)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(filtered[0])))
    at = {hertz: gain_db[np.argmin(np.abs(np.fft.rfftfreq(801, 1 / 200) - hertz))] for hertz in (4, 8, 60)}
    assert at[8] - at[4] == pytest.approx(tilt_db, abs=0.3)
    assert (at[60] < at[8] - 40) == (low_pass_hz < 60)


def test_a_movement_is_slow_common_and_at_the_given_position():
    noise = movement((20, 2000), 600, 400, 4.0, -9.0, np.random.default_rng(1))
    inside = noise[:, 600:1000]
    assert not noise[:, :600].any()
    assert not noise[:, 1000:].any()
    assert 10 * np.log10(4.0 / np.square(inside).mean()) == pytest.approx(-9, abs=0.1)
    assert np.median(np.corrcoef(inside)[0]) > 0.5
    spectrum = np.square(np.abs(np.fft.rfft(inside))).sum(axis=0)
    hertz = np.fft.rfftfreq(400, 1 / 200)
    assert spectrum[hertz < 10].sum() > 0.95 * spectrum.sum()


def test_a_movement_may_begin_before_the_window_and_end_after_it():
    for start in (-200, 900):
        noise = movement((3, 1000), start, 300, 1.0, 0.0, np.random.default_rng(1))
        assert np.isfinite(noise).all()
        assert noise.any()


def test_the_same_draw_gives_the_same_window():
    rcg = np.random.default_rng(1).standard_normal((4, 1200), dtype=np.float32)
    for seed in range(20):
        a, b = (disturb(rcg, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()
    np.testing.assert_array_equal(rcg, np.random.default_rng(1).standard_normal((4, 1200), dtype=np.float32))
