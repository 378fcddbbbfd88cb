"""The range transform equals its definition, for every number of samples and of antenna pairs."""

import numpy as np
import pytest

from edge.dsp.frontend.range_profile import range_profile


@pytest.mark.parametrize("samples", [256, 240, 200, 100, 72, 14])
@pytest.mark.parametrize(("frames", "loops", "tx", "rx"), [(20, 1, 2, 4), (3, 2, 3, 4), (1, 1, 1, 1)])
def test_it_is_the_windowed_transform(samples, frames, loops, tx, rx):
    rng = np.random.default_rng(samples)
    parts = rng.standard_normal((2, frames, loops, tx, rx, samples))
    iq = (parts[0] + 1j * parts[1]).astype(np.complex64)
    expected = np.fft.fft(iq.astype(complex).mean(axis=1) * np.hanning(samples + 1)[:-1])
    found = range_profile(iq)
    assert found.dtype == np.complex64
    # Single precision: a rounding of half a unit in each of log2 n passes, of values up to the largest bin.
    tolerance = np.log2(samples) * np.finfo(np.float32).eps * np.abs(expected).max()
    np.testing.assert_allclose(found, expected.reshape(frames, tx * rx, samples), atol=tolerance)
