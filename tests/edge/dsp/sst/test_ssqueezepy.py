"""The SST against ssqueezepy, an independent implementation."""

from pathlib import Path

import numpy as np
import pytest

from edge.core.spec import RCG_RATE_HZ, SST_PAST, SST_SCALES, SST_WINDOW, SstSpec
from edge.dsp.sst.reference import extend
from edge.dsp.sst.transform import Sst
from tests.edge.dsp.sst.test_sst import BIN_CENTRES_HZ, chirps, segments

STORED = Path(__file__).with_name("ssqueezepy_chirps.npy")
"""`synchrosqueeze(chirps(1200))` in half precision: numba takes long to compile ssqueezepy."""


def noisy(samples: int) -> np.ndarray:
    rng = np.random.default_rng(6)
    return segments(2, samples) + rng.normal(0, 30, (2, samples)).astype(np.float32)


def synchrosqueeze(x: np.ndarray) -> np.ndarray:
    """Return ssqueezepy's values [channel, bin, time] for our scales, bins and circle, at 30 Hz.

    Left out: the lowest row, into which it puts what lies below, and the rows above 75 Hz, where our wavelets fade; its
    squeezed high noise spills below them.
    """
    from ssqueezepy import Wavelet, ssq_cwt  # only the slow test needs it

    squeezed = ssq_cwt(
        np.array([extend(row.astype(float)) for row in x]),
        Wavelet(("morlet", {"mu": 6, "dtype": "float64"})),
        scales=np.array(SST_SCALES),
        fs=RCG_RATE_HZ,
        ssq_freqs=BIN_CENTRES_HZ,
        padtype=None,
    )[0]
    values = np.abs(squeezed)[:, ::-1, SST_PAST : SST_PAST + SST_WINDOW : 20]
    scale = np.sort(values.reshape(len(x), -1))[:, -3]
    return np.minimum(values / scale[:, None, None], 1)[:, 1:67]


def assert_agreement(x: np.ndarray, expected: np.ndarray, min_correlation: float) -> None:
    ours = Sst(len(x), SstSpec(frame_rate_hz=30))(x).values[:, 1:67, ::3]  # where its columns meet samples of 200 Hz
    for values, others in zip(ours, expected, strict=True):
        assert np.corrcoef(values.ravel(), others.ravel())[0, 1] > min_correlation


def test_agrees_with_the_stored_result_of_ssqueezepy():
    assert_agreement(chirps(1200), np.load(STORED).astype(float), 0.9999)


@pytest.mark.slow  # it compiles ssqueezepy
@pytest.mark.parametrize(
    ("make", "min_correlation"),
    [(chirps, 0.9999), (lambda n: segments(2, n), 0.9995), (noisy, 0.97)],
    ids=["chirps", "heart", "noisy"],
)
def test_agrees_with_ssqueezepy(make, min_correlation):
    x = make(1200)
    assert_agreement(x, synchrosqueeze(x), min_correlation)


@pytest.mark.slow  # it compiles ssqueezepy
def test_the_stored_result_is_that_of_ssqueezepy():
    np.testing.assert_allclose(np.load(STORED), synchrosqueeze(chirps(1200)), rtol=2**-11, atol=2**-24)
