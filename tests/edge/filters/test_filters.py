"""The filters equal SciPy's, and what a device runs imports no SciPy."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage, signal

from edge.core.compiled import NotCompiledError
from edge.filters import sections
from edge.filters.butterworth import butterworth
from edge.filters.peaks import find_peaks
from edge.filters.sections import SectionFilter, filter_both_ways, settled_state
from edge.filters.smoothing import gaussian_smooth, sliding_maximum, sliding_mean, sliding_median

DESIGNS = [
    (2, (2.0, 20.0), "bandpass", 200),
    (4, (1.1, 4.0), "bandpass", 200),
    (2, (0.6, 5.0), "bandpass", 50),
    (2, (4, 9.0), "bandpass", 20.0),
    (2, (4, 13.5), "bandpass", 30.0),
    (6, (5.0, 80.0), "bandpass", 199.7),
    (2, 10.0, "lowpass", 200),
    (4, 5.0, "lowpass", 50),
    (2, 0.7, "highpass", 200),
    (4, 0.7, "highpass", 200),
]


@pytest.fixture(params=DESIGNS, ids=str)
def design(request):
    order, edges, kind, rate = request.param
    return signal.butter(order, edges, kind, output="sos", fs=rate)


@pytest.fixture
def x():
    return np.random.default_rng(1).standard_normal((3, 400)) + 5


@pytest.mark.parametrize(("order", "edges", "kind", "rate"), DESIGNS)
def test_designs_are_scipys(order, edges, kind, rate):
    expected = signal.butter(order, edges, kind, output="sos", fs=rate)
    np.testing.assert_allclose(butterworth(order, edges, kind, rate), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("order", "edges"), [(3, (1, 2)), (2, (0, 2)), (2, (2, 100)), (2, (1, 2, 3)), (2, 5)])
def test_impossible_designs_are_refused(order, edges):
    with pytest.raises(ValueError, match="no bandpass of order"):
        butterworth(order, edges, "bandpass", 200)


def test_a_filter_keeps_its_state_between_blocks(design, x):
    blocks = SectionFilter(design)
    y = np.concatenate([blocks(x[:, start : start + 37]) for start in range(0, 400, 37)], axis=1)
    np.testing.assert_allclose(y, signal.sosfilt(design, x, axis=1), rtol=1e-12, atol=1e-12)


def test_a_settled_filter_starts_without_a_step(design, x):
    np.testing.assert_allclose(settled_state(design), signal.sosfilt_zi(design), rtol=1e-9)
    constant = np.repeat(x[:, :1], 50, axis=1)
    gain = np.prod(design[:, :3].sum(axis=1) / design[:, 3:].sum(axis=1))
    np.testing.assert_allclose(SectionFilter(design, settled=True)(constant), gain * constant, atol=1e-8)


def test_both_ways_is_scipys(design, x):
    np.testing.assert_allclose(filter_both_ways(design, x), signal.sosfiltfilt(design, x, axis=1), rtol=1e-7, atol=1e-9)


def test_too_few_samples_are_refused(x):
    with pytest.raises(ValueError, match="15 samples; a filter of 2 sections needs more than 15"):
        filter_both_ways(butterworth(2, (2, 20), "bandpass", 200), x[:, :15])


@pytest.mark.parametrize("sigma", [2.0, 6.0])
def test_smoothing_is_scipys(x, sigma):
    expected = ndimage.gaussian_filter1d(x[0], sigma, mode="constant")
    np.testing.assert_allclose(gaussian_smooth(x[0], sigma), expected, rtol=1e-12)


@pytest.mark.parametrize("step", [1, 7])
def test_the_sliding_maximum_is_scipys(x, step):
    np.testing.assert_array_equal(sliding_maximum(x[0], 4, 3, step), ndimage.maximum_filter1d(x[0], 8)[::step])


@pytest.mark.parametrize("size", [1, 2, 9, 24])
def test_the_sliding_mean_and_median_are_scipys(x, size):
    # Both add `size` values of up to 9; SciPy subtracts from a running sum, so its rounding grows with the 400 samples.
    np.testing.assert_allclose(sliding_mean(x[0], size), ndimage.uniform_filter1d(x[0], size), atol=400 * 9 * 2**-52)
    np.testing.assert_array_equal(sliding_median(x[0], size), ndimage.median_filter(x[0], size, mode="nearest"))


@pytest.mark.parametrize("distance", [1, 2, 30])
@pytest.mark.parametrize("longest_run", [1, 4])
def test_peaks_are_scipys(distance, longest_run):
    rng = np.random.default_rng(2)
    x = np.repeat(rng.standard_normal(2000), rng.integers(1, longest_run + 1, 2000))
    heights = rng.standard_normal(len(x))
    expected, _ = signal.find_peaks(x, height=heights, distance=distance)
    assert len(expected) >= 50
    np.testing.assert_array_equal(find_peaks(x, heights, distance), expected)


@pytest.mark.parametrize("x", [np.zeros(9), np.arange(9.0), np.array([1.0]), np.array([0.0, 0.0, 1.0, 1.0])], ids=str)
def test_without_a_maximum_there_are_no_peaks(x):
    assert len(find_peaks(x, np.full(len(x), -np.inf), 1)) == len(signal.find_peaks(x)[0]) == 0


def test_of_equally_high_peaks_the_last_stays():
    x = np.array([0.0, 1, 0, 1, 0, 0, 0, 1, 0])
    assert find_peaks(x, np.zeros(9), 3).tolist() == [3, 7]


def test_without_the_compiled_part_the_error_names_the_remedy(x, monkeypatch):
    monkeypatch.setattr(sections, "_LIBRARY", None)
    with pytest.raises(NotCompiledError, match="install a C compiler"):
        SectionFilter(butterworth(2, 10, "lowpass", 200))(x)


def test_a_device_imports_no_scipy_and_one_blas_thread_is_set():
    script = (
        "import os, sys, edge.runtime.service, edge.web.page, edge.inference.backends.onnxrt\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'scipy'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    shown = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["[]", "1"]
