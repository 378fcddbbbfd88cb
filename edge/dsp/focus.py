"""Near-field beamforming: range profiles of all antennas to the echo of single points of the chest.

An echo of round trip r at antenna pair v turns its range profile by the phase of the path |p - tx| + |p - rx| and
spreads over a few bins by the window. Both are known, so the matched filter of a point is one vector over antennas and
bins; many points are a matrix (Chen et al. 2022 sum over samples instead: the same filter, 256 products for 8).
"""

from __future__ import annotations

import math

import numpy as np

from edge.antennas import Antennas
from edge.chirp import ChirpConfig
from edge.frames import Complex64, Float64
from edge.spec import SPEED_OF_LIGHT_M_S

# The chest's part of space around the range at which it was found: half widths to the side and up, depth before and
# behind, and the steps between voxels. MMECG: +-0.4 m, 0.35 to 0.60 m deep, 9 x 17 x 9 voxels.
SIDE_M, UP_M, NEARER_M, FARTHER_M = 0.24, 0.24, 0.08, 0.12
STEP_M = (0.04, 0.025, 0.06)  # to the side, in depth, up: finer than what the aperture resolves


def voxels(range_m: float) -> Float64:
    """Points [V, 3] (x to the side, y away from the board, z up; m) in which a chest at this range may lie."""
    x = np.arange(-SIDE_M, SIDE_M + 1e-9, STEP_M[0])
    y = np.arange(-NEARER_M, FARTHER_M + 1e-9, STEP_M[1])
    z = np.arange(-UP_M, UP_M + 1e-9, STEP_M[2])
    across, away, up = (axis.ravel() for axis in np.meshgrid(x, range_m + y, z, indexing="ij"))
    # Depth is counted along the line of sight: a chest off the axis is as far as one on it.
    towards = np.sqrt(np.maximum(away**2 - across**2 - up**2, 1e-4))
    return np.stack([across, towards, up], axis=1)


def steering(chirp: ChirpConfig, antennas: Antennas, points_m: Float64, bins: slice) -> Complex64:
    """Matched filters [V, antenna pair x bin] of points [V, 3] for Hann-windowed profiles cut to `bins`.

    Applied to a profile they give the echo of a point in the profile's unit over the window's sum (half the samples).
    """
    tx = antennas.tx_m[np.array(chirp.tx_order) - 1]
    rx = antennas.rx_m[np.array(chirp.rx) - 1]
    out_m = np.linalg.norm(points_m[:, None] - tx, axis=-1)
    back_m = np.linalg.norm(points_m[:, None] - rx, axis=-1)
    tau = ((out_m[:, :, None] + back_m[:, None, :]) / SPEED_OF_LIGHT_M_S).reshape(len(points_m), -1)
    start = 2 * math.pi * (chirp.start_hz * tau + chirp.slope_hz_s * (tau * chirp.adc_start_s - tau**2 / 2))
    turn = 2 * math.pi * chirp.slope_hz_s / chirp.sample_rate_hz * tau
    n = chirp.samples
    beside = turn[:, :, None] - 2 * math.pi * np.arange(bins.start, bins.stop) / n
    shape = 0.5 * _sum(beside, n) - 0.25 * (_sum(beside - 2 * math.pi / n, n) + _sum(beside + 2 * math.pi / n, n))
    echo = (np.exp(1j * start)[:, :, None] * shape).reshape(len(points_m), -1)
    return np.asarray(echo.conj() / np.square(np.abs(echo)).sum(axis=1, keepdims=True), np.complex64)


def _sum(x: Float64, n: int) -> Float64:
    """sum over k < n of exp(i k x)."""
    half = x / 2
    near = np.abs(np.sin(half)) < 1e-9
    ratio = np.where(near, n, np.sin(n * half) / np.where(near, 1, np.sin(half)))
    return np.asarray(np.exp(1j * half * (n - 1)) * ratio)
