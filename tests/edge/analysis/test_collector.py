"""Where ECG and R peaks are placed in time: gaps, late frames, clocks that drift, a stop."""

import numpy as np
import pytest

from edge.analysis.collector import ANCHOR_S, Collector
from edge.analysis.result import SAMPLE_NS, About
from edge.core.types import EcgBlock, EcgEstimate, Quality, TaskOutputs, Vitals

START_NS = 1_780_000_000_123_456_789
ABOUT = About("x", None, True, "1", None, None, None, 200.0, 0, 0)
OUTPUTS = TaskOutputs(*(np.zeros(n, np.float32) for n in (200, 800, 260)))
GOOD = Quality("good", 1.0)


def block(second: float, sample0: int, continues=True, late_ms=0.0) -> EcgBlock:
    """A second of ECG whose values are its sample numbers, with an R peak 0.25 samples after its middle."""
    ecg = np.arange(sample0, sample0 + 200, dtype=float)
    estimate = EcgEstimate(sample0, ecg, np.ones(200, bool), np.array([sample0 + 100.25]), np.array([0.9]))
    return EcgBlock(START_NS + round(second * 1e9 + late_ms * 1e6), sample0, estimate, continues, OUTPUTS)


def collect(blocks, seconds: float):
    collector = Collector()
    for each in blocks:
        collector.ecg(each, GOOD)
    return collector.result(ABOUT, START_NS, START_NS + round(seconds * 1e9), True)


def test_a_gap_does_not_shift_what_follows():
    result = collect([block(2, 0), block(3, 200), block(7.5, 1000, continues=False)], 10)
    assert len(result.ecg_mv) == 2000
    np.testing.assert_array_equal(result.ecg_mv[400:800], np.arange(400))
    np.testing.assert_array_equal(result.ecg_mv[1500:1700], np.arange(1000, 1200))
    known = np.zeros(2000, bool)
    known[400:800] = known[1500:1700] = True
    np.testing.assert_array_equal(~np.isnan(result.ecg_mv), known)


def test_r_peaks_keep_their_fraction_of_a_sample():
    result = collect([block(2, 0), block(3, 200)], 5)
    after_ns = 2_000_000_000 + np.array([100.25, 300.25]) * SAMPLE_NS
    np.testing.assert_array_equal(result.r_peak_t_ns - START_NS, after_ns)
    assert result.sample_at(result.r_peak_t_ns).tolist() == [500, 700]


def test_one_late_frame_moves_nothing():
    late = [block(k, 200 * k, late_ms=80 * (k == 2)) for k in range(5)]
    on_time = [block(k, 200 * k) for k in range(5)]
    a, b = collect(late, 5), collect(on_time, 5)
    np.testing.assert_array_equal(a.ecg_mv, b.ecg_mv)
    np.testing.assert_array_equal(a.r_peak_t_ns, b.r_peak_t_ns)


def test_a_drifting_clock_is_followed():
    """The radar's second is 100 us too long: after an hour, 360 ms, or 72 samples."""
    blocks = [block(k * 1.0001, 200 * k) for k in range(3600)]
    result = collect(blocks, 3601)
    error_ns = result.r_peak_t_ns - np.array([b.t_ns + 100.25 * SAMPLE_NS for b in blocks], np.int64)
    assert np.abs(error_ns).max() <= ANCHOR_S / 2 * 100_000 + SAMPLE_NS
    assert np.isnan(result.ecg_mv[: 200 * 3600]).mean() < 1e-3


def test_what_is_outside_the_recording_is_left_out():
    result = collect([block(-0.5, 0), block(0.5, 200)], 1)
    np.testing.assert_array_equal(result.ecg_mv, np.arange(100, 300))
    assert len(result.r_peak_t_ns) == 1


def test_an_invalid_rate_is_nan_and_the_reasons_are_text():
    collector = Collector()
    quality = Quality("unusable", 0.1, ("body_movement", "frame_loss"))
    collector.vitals(Vitals(START_NS, None, 15.0, None, quality, movement="mild"))
    seconds = collector.result(ABOUT, START_NS, START_NS + 10**9, True).seconds
    assert np.isnan([seconds.heart_rate_bpm[0], seconds.heart_rate_low_bpm[0], seconds.chest_range_m[0]]).all()
    assert (seconds.breathing_rate_bpm[0], seconds.movement[0]) == (15.0, "mild")
    assert seconds.flags[0] == "body_movement frame_loss"


@pytest.mark.parametrize("seconds", [0, 1])
def test_without_results_everything_is_empty(seconds):
    result = collect([], seconds)
    assert len(result.ecg_mv) == 200 * seconds
    assert np.isnan(result.ecg_mv).all()
    assert len(result.r_peak_t_ns) == len(result.seconds) == 0
    assert result.best is None
