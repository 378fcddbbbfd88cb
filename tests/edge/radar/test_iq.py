"""Word order against the documented formula, for every shape."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.types import RawFrame
from edge.radar.iq import IQ_ORDERS, FrameSizeError, decode, decode_frame, encode

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 12).map(lambda n: 2 * n))


def by_formula(words: np.ndarray, shape: tuple[int, int, int, int], order: str) -> np.ndarray:
    """The fact sheet's index formula, one sample at a time."""
    _, tx, rx, samples = shape
    out = np.zeros(shape, complex)
    for index in np.ndindex(shape):
        loop, t, r, n = index
        base = (((loop * tx + t) * rx + r) * samples + (n - n % 2)) * 2
        a, b = int(words[base + n % 2]), int(words[base + 2 + n % 2])
        out[index] = complex(a, b) if order == "studio" else complex(b, a)
    return out


def test_worked_example():
    data = np.array([1, 2, 10, 20], "<i2").tobytes()
    assert decode(data, (1, 1, 1, 2), "sdk").ravel().tolist() == [10 + 1j, 20 + 2j]
    assert decode(data, (1, 1, 1, 2), "studio").ravel().tolist() == [1 + 10j, 2 + 20j]


@given(shape=SHAPES, order=st.sampled_from(IQ_ORDERS), seed=st.integers(0, 1000))
def test_decode_follows_the_formula_and_encode_inverts_it(shape, order, seed):
    words = np.random.default_rng(seed).integers(-32768, 32768, 2 * int(np.prod(shape))).astype("<i2")
    iq = decode(words.tobytes(), shape, order)
    assert iq.shape == shape
    assert iq.dtype == np.complex64
    np.testing.assert_array_equal(iq, by_formula(words, shape, order))
    assert encode(iq, order) == words.tobytes()


def test_the_wrong_order_is_j_times_the_conjugate():
    data = np.arange(64, dtype="<i2").tobytes()
    shape = (1, 1, 4, 8)
    np.testing.assert_array_equal(decode(data, shape, "sdk"), 1j * decode(data, shape, "studio").conj())


@pytest.mark.parametrize("extra", [-4, -1, 4, 4096])
def test_a_wrong_length_gives_the_expected_length(extra):
    with pytest.raises(FrameSizeError, match=r"1 loops x 3 TX x 4 RX x 256 samples is 12288 bytes, got \d+"):
        decode(bytes(12288 + extra), (1, 3, 4, 256), "sdk")


def test_an_odd_number_of_samples_cannot_come_over_two_lanes():
    with pytest.raises(FrameSizeError, match="pairs"):
        decode(bytes(12), (1, 1, 1, 3), "sdk")


NOISE = np.random.default_rng(5).integers(-9, 10, 6144).astype("<i2").tobytes()


def frame_of(data, chirp):
    return decode_frame(RawFrame(3, 4, data, len(data)), chirp, "sdk")


@given(st.integers(0, 12288 - 1456))
def test_a_lost_packet_that_a_recorder_filled_with_zeros_is_a_hole(mmecg, at):
    holed = NOISE[:at] + bytes(1456) + NOISE[at + 1456 :]
    assert not frame_of(holed, mmecg).complete


def test_a_frame_is_complete_with_noise_and_not_without(mmecg):
    assert frame_of(NOISE, mmecg).complete
    assert not frame_of(bytes(12288), mmecg).complete
    small = replace(mmecg, tx_order=(1,), rx=(1,), samples=32)  # of 128 bytes
    assert frame_of(NOISE[:128], small).complete
    assert not frame_of(bytes(128), small).complete


def test_encode_clips_to_the_adc():
    assert encode(np.array([[4e4, -4e4]]) * (1 + 1j), "studio") == np.array([32767, -32768] * 2, "<i2").tobytes()
