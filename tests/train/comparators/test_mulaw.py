"""Tests the classes of ECG samples against the formula, and the division of recordings."""

import math

import numpy as np
import pytest

from edge.core.errors import InputError
from train.comparators.mulaw import CLASSES, compand, decode, encode, expand
from train.comparators.tiling import tile


def test_companding_is_the_formula():
    assert compand(np.array([0.0, 1.0, -1.0])) == pytest.approx([0, 1, -1])
    assert compand(np.array([0.1]))[0] == pytest.approx(math.log(1 + 25.5) / math.log(256))
    x = np.linspace(-1, 1, 1001)
    np.testing.assert_allclose(expand(compand(x)), x, atol=1e-12)
    assert compand(np.array([1.7, -3.0])) == pytest.approx([1, -1])


def test_every_class_is_its_own_and_errors_are_half_a_step():
    assert (encode(decode(np.arange(CLASSES))) == np.arange(CLASSES)).all()
    x = np.linspace(-1, 1, 20_001)
    # In the companded domain a sample is at most half of 2 / 255 away from its class.
    assert np.abs(compand(decode(encode(x))) - compand(x)).max() <= 1 / 255 + 1e-12
    small = np.abs(x) < 0.01
    error = np.abs(decode(encode(x)) - x)
    assert error[small].max() < 1e-3 < error.max() < 0.023  # half a step times ln 256 (1 + 255 |x|) / 255


@pytest.mark.parametrize(("samples", "window", "before", "after"), [
    (640, 640, 512, 0), (641, 640, 512, 0), (768, 640, 512, 0), (35_505, 640, 512, 0),
    (800, 800, 200, 200), (1200, 800, 200, 200), (35_505, 800, 200, 200), (1201, 800, 200, 200),
])  # fmt: skip
def test_windows_keep_every_sample_once(samples, window, before, after):
    seen = np.zeros(samples, int)
    tiles = tile(samples, window, before, after)
    for number, (start, kept) in enumerate(tiles):
        assert 0 <= start <= samples - window
        assert start <= kept.start < kept.stop <= start + window
        assert number == 0 or kept.start - start >= before
        assert number == len(tiles) - 1 or start + window - kept.stop >= after
        seen[kept] += 1
    assert (seen == 1).all()


def test_a_short_recording_is_an_error():
    with pytest.raises(InputError, match="639 samples; at least 640"):
        tile(639, 640, 512)
