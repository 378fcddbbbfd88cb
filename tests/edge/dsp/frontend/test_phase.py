"""Phase, resampling and second derivative against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.frontend.phase import PhaseTracker, Resampler, SecondDerivative

WAVELENGTH_M = 3.7926e-3


def echo_of(displacement_mm: np.ndarray) -> np.ndarray:
    return np.exp(4j * math.pi / (WAVELENGTH_M * 1e3) * displacement_mm).astype(np.complex64)


def pieces(n: int, size: int) -> list[slice]:
    return [slice(k, k + size) for k in range(0, n, size)]


@given(size=st.integers(1, 50))
def test_unwrapping_follows_many_turns_whatever_the_block_size(size):
    t = np.arange(400) / 200
    truth = 6 * np.sin(2 * math.pi * 0.4 * t)  # 21 turns of phase
    echo = np.stack([echo_of(truth), 0.1 * echo_of(truth + 0.3)], axis=1)
    tracker = PhaseTracker(WAVELENGTH_M)
    out = [tracker.push(list(range(400)[part]), echo[part]) for part in pieces(400, size)]
    displacement = np.concatenate([block for block, _ in out], axis=1)
    np.testing.assert_allclose(displacement[0], truth - truth[0], atol=1e-3)
    np.testing.assert_allclose(displacement[1], truth - truth[0], atol=1e-3)
    assert all(covered.all() for _, covered in out)


def test_a_noisy_channel_does_not_slip_where_alone_it_would():
    rng = np.random.default_rng(3)
    t = np.arange(2000) / 200
    truth = 20 * np.sin(2 * math.pi * 1.35 * t)  # 2.8 rad a frame at the fastest: close to the limit of pi
    noise = 0.15 * rng.standard_normal((2000, 4)) @ np.array([[1, 1j], [0, 0], [0, 0], [0, 0]])
    echo = np.repeat(3 * echo_of(truth)[:, None], 2, axis=1) / [1, 3] + noise[:, :1] * [0, 1.5]
    alone, _ = PhaseTracker(WAVELENGTH_M).push(list(range(2000)), echo[:, 1:].astype(np.complex64))
    together, _ = PhaseTracker(WAVELENGTH_M).push(list(range(2000)), echo.astype(np.complex64))
    turn_mm = WAVELENGTH_M * 1e3 / 2
    assert np.abs(alone[0] - (truth - truth[0])).max() > turn_mm
    assert np.abs(together[1] - (truth - truth[0])).max() < turn_mm / 2


def test_missing_frames_are_a_straight_line_and_marked():
    truth = np.linspace(0, 2, 50)
    seq = [k for k in range(50) if k not in (10, 11, 12)]
    out, covered = PhaseTracker(WAVELENGTH_M).push(seq, echo_of(truth[seq])[:, None])
    assert out.shape == (1, 50)
    np.testing.assert_allclose(out[0], truth, atol=1e-3)
    assert np.flatnonzero(~covered).tolist() == [10, 11, 12]


@pytest.mark.parametrize("rate_hz", [20, 200, 400])
@pytest.mark.parametrize("size", [0.05, 0.1, 100])
def test_the_phase_continues_across_a_gap(rate_hz, size):
    """0.2 s at the steepest point of a deep breath: 2.5 mm, more than the 0.95 mm at which a step is ambiguous."""
    t = np.arange(4 * rate_hz) / rate_hz
    truth = 6 * np.cos(2 * math.pi * 0.35 * t) + 0.3 * np.cos(2 * math.pi * 1.3 * t)
    steepest = round(0.75 / 0.35 * rate_hz)
    lost = np.arange(steepest - round(0.1 * rate_hz), steepest + round(0.1 * rate_hz) - 1)
    seq = np.delete(np.arange(len(t)), lost)
    echo = echo_of(truth[seq])[:, None]
    tracker = PhaseTracker(WAVELENGTH_M)
    out = [tracker.push(seq[part].tolist(), echo[part]) for part in pieces(len(seq), round(size * rate_hz))]
    found = np.concatenate([block[0] for block, _ in out])
    covered = np.concatenate([covered for _, covered in out])
    assert np.flatnonzero(~covered).tolist() == lost.tolist()
    np.testing.assert_allclose(found[covered], (truth - truth[0])[covered], atol=1e-2)
    assert tracker.step_rms_rad < 55 / rate_hz  # 16 mm/s


@pytest.mark.parametrize("rate_hz", [20.0, 33.3, 80.0, 100.0, 250.0, 400.0])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_resampling_a_sine(rate_hz, size):
    frequency = 0.25 * min(rate_hz, 200)
    t = np.arange(round(4 * rate_hz)) / rate_hz
    x = np.cos(2 * math.pi * frequency * t)[None]
    resampler = Resampler(rate_hz, 200)
    y = np.concatenate([resampler.push(x[:, s], np.ones(x[:, s].shape[1], bool))[0] for s in pieces(len(t), size)], 1)[
        0
    ]
    expected = np.cos(2 * math.pi * frequency * np.arange(len(y)) / 200)
    inside = slice(round(200 * 10 / min(rate_hz, 200)), None)
    assert len(y) > 3 * 200
    np.testing.assert_allclose(y[inside], expected[inside], atol=5e-3)


def test_equal_rates_pass_through():
    x, covered = np.random.default_rng(0).normal(size=(3, 40)), np.ones(40, bool)
    assert Resampler(200.0, 200).push(x, covered)[0] is x


def test_resampling_keeps_the_marks():
    covered = np.ones(40, bool)
    covered[20] = False
    _, out = Resampler(20.0, 200).push(np.zeros((1, 40)), covered)
    lost = 100 + np.flatnonzero(~out[100:])
    assert 180 < lost.min() < 200 < lost.max() < 220


def test_second_derivative_of_a_parabola_is_exact():
    t = np.arange(50) / 200
    delayed, curved, _ = SecondDerivative(200).push((3 * t**2)[None], np.ones(50, bool))
    np.testing.assert_allclose(curved[0, 6:], 6.0, rtol=1e-9)
    np.testing.assert_array_equal(delayed[0, 3:], 3 * t[:-3] ** 2)


@pytest.mark.parametrize(("hz", "gain"), [(0.25, 6e-5), (1.2, 1.4e-3), (5, 0.024), (10, 0.093), (40, 0.59), (80, 0.03)])
def test_second_derivative_has_the_published_response(hz, gain):
    t = np.arange(4000) / 200
    _, out, _ = SecondDerivative(200).push(np.sin(2 * math.pi * hz * t)[None], np.ones(4000, bool))
    assert np.abs(out[0, 200:]).max() / 200**2 == pytest.approx(gain, rel=0.13)


@pytest.mark.parametrize(("lost", "marked"), [([10], [10]), ([10, 11], [10, 11]), ([10, 12, 13], [10, 11, 12, 13])])
def test_second_derivative_marks_what_did_not_come_or_rests_on_little_that_did(lost, marked):
    covered = np.ones(30, bool)
    covered[lost] = False
    _, _, out = SecondDerivative(200).push(np.zeros((1, 30)), covered)
    assert np.flatnonzero(~out).tolist() == [*range(6), *(k + SecondDerivative.DELAY for k in marked)]


@pytest.mark.parametrize("rate_hz", [20.0, 80.0, 200.0, 400.0])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_start_in_motion_causes_no_transient(rate_hz, size):
    """Samples before the first are unknown, so the derivative is not covered until seven samples were received."""
    t = np.arange(round(3 * rate_hz)) / rate_hz
    x = np.sin(2 * math.pi * 0.4 * t)[None]
    resampler, derivative = Resampler(rate_hz, 200), SecondDerivative(200)
    ready = [resampler.push(x[:, s], np.ones(x[:, s].shape[1], bool)) for s in pieces(len(t), size)]
    out = [derivative.push(y, covered) for y, covered in ready if len(covered)]
    curved = np.concatenate([block[1][0] for block in out])
    covered = np.concatenate([block[2] for block in out])
    reach = 0 if rate_hz == 200 else math.ceil(Resampler.HALF_WIDTH * max(1, rate_hz / 200)) - 1
    assert covered.argmax() == math.ceil(reach * 200 / rate_hz) + 6
    assert covered[covered.argmax() :].all()
    assert not curved[~covered].any()
    assert np.abs(curved).max() < 1.5 * (2 * math.pi * 0.4) ** 2
