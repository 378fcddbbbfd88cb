"""Tests the ODE: the matrix product equals Euler's loop, R is at the labels' position, all parameters are finite."""

import math

import numpy as np
import torch

from edge.core.spec import ECG_PIECE_R_FRACTION, ECG_PIECE_SAMPLES
from train.model.ode import ANGLES_DEG, BASELINE, BASELINE_HZ, MIN_WIDTH_FRACTION, SIZES, WIDTHS, HeartbeatOde


def euler(p: np.ndarray) -> np.ndarray:
    """The equation as it is printed, step by step, for one beat; float64."""
    dt = 1 / ECG_PIECE_SAMPLES
    change = 1 + p.reshape(3, 5)
    sizes, angles = np.array(SIZES) * change[0], np.radians(ANGLES_DEG) * change[2]
    widths = np.array(WIDTHS) * (MIN_WIDTH_FRACTION + (1 - MIN_WIDTH_FRACTION) * change[1])
    z = np.zeros(ECG_PIECE_SAMPLES)
    for k in range(ECG_PIECE_SAMPLES - 1):
        theta = math.radians(40 - 360 * ECG_PIECE_R_FRACTION) + 2 * math.pi * k * dt
        away = np.angle(np.exp(1j * (theta - angles)))
        force = -np.sum(sizes * away * np.exp(-(away**2) / (2 * widths**2)))
        baseline = BASELINE * math.sin(2 * math.pi * BASELINE_HZ * k * dt)
        z[k + 1] = z[k] + dt * (force - (z[k] - baseline))
    return z


def test_the_matrix_is_eulers_loop():
    p = np.random.default_rng(1).uniform(-1, 1, (20, 15))
    beats, expected = HeartbeatOde()(torch.from_numpy(p).float()).numpy(), np.array([euler(row) for row in p])
    # In float32, for each of the product's 200 terms a rounding of eps.
    np.testing.assert_allclose(
        beats, expected, atol=ECG_PIECE_SAMPLES * np.finfo(np.float32).eps * np.abs(expected).max()
    )


def test_the_default_beat_is_an_ecg_with_r_where_the_labels_have_it():
    beat = HeartbeatOde()(torch.zeros(1, 15))[0].numpy()
    assert abs(beat.argmax() - ECG_PIECE_SAMPLES * ECG_PIECE_R_FRACTION) < 1
    assert 0.8 < np.ptp(beat) < 1.2
    assert abs(beat[[0, -1]]).max() < 0.05
    p, t = beat[20:50], beat[95:150]
    assert 0.02 < p.max() < t.max() < 0.4


def test_no_parameter_makes_it_infinite():
    corners = torch.tensor([[-1.0], [1.0], [0.0]]).repeat(1, 15).requires_grad_()
    beats = HeartbeatOde()(corners)
    beats.square().sum().backward()
    assert beats.isfinite().all()
    assert corners.grad.isfinite().all()
