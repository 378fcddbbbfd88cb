"""The SST: against its float64 definition, and what causality and linearity demand."""

import numpy as np
import pytest
from scipy import signal

from edge.core.spec import RCG_RATE_HZ, SST_BIN_OCTAVES, SST_BINS, SST_LOW_HZ, SstSpec
from edge.dsp.frontend.phase import SecondDerivative
from edge.dsp.sst.native import SstError
from edge.dsp.sst.reference import sst_reference
from edge.dsp.sst.transform import HOP, HighPass, Sst, SstStream, spectrograms
from edge.twin.body import Body
from edge.twin.heart import Heart

SPECS = [SstSpec(), SstSpec(frame_rate_hz=30)]
BIN_CENTRES_HZ = SST_LOW_HZ * 2 ** ((np.arange(SST_BINS) + 0.5) * SST_BIN_OCTAVES)


def rcg_mm_s2(channels: int, seconds: float, breathing_mm: float = 6.0, noise_mm: float = 3e-4) -> np.ndarray:
    """Chests of the twin: breathing, heart and noise of their own."""
    rng = np.random.default_rng(4)
    t_s = np.arange(round(seconds * RCG_RATE_HZ)) / RCG_RATE_HZ
    rows = [
        Heart(60 + 7 * c, seed=c).displacement_mm(t_s)
        + Body(breathing_mm=breathing_mm).displacement_mm(t_s + c)
        + noise_mm * rng.standard_normal(len(t_s))
        for c in range(channels)
    ]
    return SecondDerivative(RCG_RATE_HZ).push(np.array(rows), np.ones(len(t_s), bool))[1]


def segments(channels: int, samples: int = 1200) -> np.ndarray:
    high_passed = HighPass().push(rcg_mm_s2(channels, 10 + samples / RCG_RATE_HZ))
    return high_passed[:, -samples:].astype(np.float32)


def chirps(samples: int) -> np.ndarray:
    t_s = np.arange(samples) / RCG_RATE_HZ
    return np.array([signal.chirp(t_s, a, t_s[-1], b) for a, b in ((2, 20), (60, 8))], np.float32)


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("make", [lambda n: segments(3, n), chirps], ids=["heart", "chirps"])
def test_equals_the_float64_definition(spec, make):
    x = make(spec.segment)
    ours = Sst(len(x), spec)(x)
    for row, values, scale in zip(x, ours.values, ours.scale, strict=True):
        expected, expected_scale = sst_reference(row.astype(float), spec)
        assert np.corrcoef(expected.ravel(), values.ravel())[0, 1] > 0.99999
        assert np.square(values, dtype=float).sum() == pytest.approx(np.square(expected).sum(), rel=1e-3)
        assert scale == pytest.approx(expected_scale, rel=1e-5)
        # In float32 some coefficients on a bin's edge fall to its other side; all other cells are equal.
        assert (np.abs(values - expected) > 1e-4).mean() < 2e-3


def test_a_tone_lands_in_its_bin():
    t_s = np.arange(1200) / RCG_RATE_HZ
    x = np.sin(2 * np.pi * BIN_CENTRES_HZ[:, None] * t_s).astype(np.float32)
    values = Sst(SST_BINS)(x).values
    assert (values[:, :, 30:90].argmax(axis=1) == np.arange(SST_BINS)[:, None]).all()


def test_a_tone_keeps_its_amplitude():
    t_s = np.arange(1200) / RCG_RATE_HZ
    x = 3 * np.sin(2 * np.pi * BIN_CENTRES_HZ[20:60, None] * t_s).astype(np.float32)
    assert Sst(40)(x).scale == pytest.approx(3, rel=0.02)


def test_the_bins_are_those_of_the_paper():
    """The 71 upper rows of MATLAB's wsst of a 180 s record: from 0.6950 Hz, 0.10097 octave each."""
    assert pytest.approx(0.10097, abs=5e-6) == SST_BIN_OCTAVES
    assert BIN_CENTRES_HZ[-1] < 100 < BIN_CENTRES_HZ[-1] * 2**SST_BIN_OCTAVES


@pytest.mark.parametrize("channels", [1, 9, 50, 64])
@pytest.mark.parametrize("threads", [1, 3])
def test_channels_are_independent(channels, threads):
    x = np.tile(segments(4), (16, 1))[:channels]
    together = Sst(channels, threads=threads)(x)
    alone = Sst(1)(x[-1:])
    np.testing.assert_array_equal(together.values[-1:], alone.values)
    np.testing.assert_array_equal(together.scale[-1:], alone.scale)


@pytest.mark.parametrize("gain", [1e-6, 1e6])
def test_gain_goes_into_the_scale(gain):
    x = segments(2)
    transform = Sst(2)
    plain = transform(x)
    values, scale = plain.values.copy(), plain.scale.copy()
    louder = transform(x * np.float32(gain))
    np.testing.assert_allclose(louder.scale, scale * gain, rtol=1e-5)
    assert (np.abs(louder.values - values) > 1e-4).mean() < 2e-3


def test_silence_and_a_constant_give_nothing():
    silent = Sst(1)(np.zeros((1, 1200), np.float32))
    assert silent.scale == 0
    assert not silent.values.any()
    for _, window in spectrograms(np.full((1, 2000), 7.5)):
        assert window.scale == 0
        assert not window.values.any()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_channel_that_is_not_finite_is_flagged_and_alone(wrong):
    x = segments(3)
    transform = Sst(3)
    clean = transform(x).values.copy()
    x[1, 700] = wrong
    spoilt = transform(x)
    assert np.isnan(spoilt.scale).tolist() == [False, True, False]
    assert not spoilt.values[1].any()
    np.testing.assert_array_equal(spoilt.values[::2], clean[::2])


@pytest.mark.parametrize(
    ("spec", "hop"), [*((SPECS[0], hop) for hop in (20, 100, 200, 500, 1000)), *((spec, 200) for spec in SPECS[1:])]
)
def test_incremental_windows_equal_complete_ones(spec, hop):
    x = segments(9, spec.segment + 2 * hop)
    moving, still = Sst(9, spec, hop, threads=2), Sst(9, spec)
    for start in range(0, 2 * hop + 1, hop):
        part = x[:, start : start + spec.segment]
        window, expected = moving(part), still(part)
        np.testing.assert_allclose(window.scale, expected.scale, rtol=1e-4)
        assert (np.abs(window.values - expected.values) > 1e-4).mean() < 1e-3


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_nothing_after_the_window_matters(spec):
    x = rcg_mm_s2(2, 12)
    future = x.copy()
    future[:, 1700:] = 1e6
    seen = 0
    for (end, a), (_, b) in zip(spectrograms(x, spec), spectrograms(future, spec), strict=True):
        if end <= 1700:
            np.testing.assert_array_equal(a.values, b.values)
            seen += 1
    assert seen >= 2


def test_blocks_of_any_length_give_the_same_windows():
    x = rcg_mm_s2(2, 12)
    expected_windows = [window for _, window in spectrograms(x)]
    for length in (7, 20, 950):
        stream = SstStream(2)
        windows = [
            window
            for start in range(0, x.shape[1], length)
            for window in stream.push(x[:, start : start + length], np.ones(len(x[0, start : start + length]), bool))
        ]
        assert len(windows) == len(expected_windows) == 1 + (x.shape[1] - 1200) // HOP
        for window, expected in zip(windows, expected_windows, strict=True):
            np.testing.assert_array_equal(window.values, expected.values)


def test_interpolated_samples_are_counted():
    x = rcg_mm_s2(1, 8)
    covered = np.ones(x.shape[1], bool)
    covered[1100:1300] = False
    assert [w.coverage for w in SstStream(1).push(x, covered)] == [7 / 8, 3 / 4, 3 / 4]


def test_a_stream_recovers_from_a_sample_that_is_not_finite():
    x = rcg_mm_s2(2, 16)
    x[1, 1300] = np.nan
    windows = [window for _, window in spectrograms(x)]
    flagged = [bool(np.isnan(w.scale[1])) for w in windows]
    assert flagged == [False] + 6 * [True] + 4 * [False]
    assert not any(w.values[1].any() for w, nan in zip(windows, flagged, strict=True) if nan)
    for number in (7, 8, 10):
        segment = HighPass().push(x)[:, 200 * number :][:, :1200].astype(np.float32)
        assert (np.abs(windows[number].values - Sst(2)(segment).values) > 1e-4).mean() < 1e-3


def test_a_lost_sample_does_not_ring_through_the_high_pass():
    x = 500 + np.random.default_rng(0).standard_normal((2, 1000))
    x[0, 300:320] = x[1, :5] = np.nan
    y = HighPass().push(x)
    assert np.isnan(y).sum() == 25
    assert np.nanmax(np.abs(y)) < 5


def test_shapes_that_do_not_belong_together_are_an_error():
    with pytest.raises(ValueError, match=r"\(2, 50\) with 40 covered"):
        SstStream(2).push(np.zeros((2, 50)), np.ones(40, bool))


def test_strong_breathing_does_not_hide_the_heart():
    calm, deep = (next(spectrograms(rcg_mm_s2(1, 7, breathing)))[1] for breathing in (6.0, 30.0))
    assert np.corrcoef(calm.values[0, 25:].ravel(), deep.values[0, 25:].ravel())[0, 1] > 0.99


@pytest.mark.parametrize("shape", [(2, 1199), (1, 1200), (2, 1200, 1)])
def test_another_shape_is_an_error(shape):
    with pytest.raises(ValueError, match=r"segment is .*, not \(2, 1200\)"):
        Sst(2)(np.zeros(shape, np.float32))


@pytest.mark.parametrize("hop", [0, -20, 10])
def test_a_hop_off_the_grid_is_an_error(hop):
    with pytest.raises(ValueError, match="multiple of 20"):
        Sst(1, hop=hop)


def test_a_restart_discards_the_previous_window():
    x = segments(2)
    fresh = Sst(2)(x)
    moving = Sst(2, hop=200)
    moving(np.ascontiguousarray(x[:, ::-1]))
    moving.restart()
    np.testing.assert_array_equal(moving(x).values, fresh.values)


def test_a_spec_that_cannot_be_is_an_error():
    with pytest.raises(ValueError, match="frame_rate_hz is 50"):
        SstSpec(frame_rate_hz=50)


def test_an_installation_without_the_compiled_part_is_reported(monkeypatch):
    monkeypatch.setattr("edge.dsp.sst.native._LIBRARY", None)
    with pytest.raises(SstError, match="not compiled: install a C compiler"):
        Sst(2)
