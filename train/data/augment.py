"""Augments windows of RCG before the SST: another heart rate, noise, filters and movements.

All random numbers are drawn from the given generator, so that a window of a run is reproducible.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.interpolate import CubicSpline

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float32

PACE = 0.2
"""The whole cardiac cycle, including its vibrations, is up to e^0.2 times faster or slower."""
NOISE_SHARE, NOISE_SNR_DB = 0.5, (-3.0, 15.0)
WEAK_SHARE, WEAK_SNR_DB, WEAK_SLOPE = 0.2, (-24.0, -3.0), (0.0, 2.0)
"""With a weak echo noise masks the vibrations; if it rises with frequency, heart motion below 4 Hz stays visible."""
TILT_DB, LOW_PASS_SHARE, LOW_PASS_HZ = 6.0, 0.5, (15.0, 100.0)
"""Differences of chests and radars: a tilt of up to so many dB per octave, and often a low-pass filter."""
MOVEMENT_SHARE, MOVEMENT_SNR_DB, MOVEMENT_S = 0.15, (-9.0, 3.0), (0.5, 3.0)
_TILT_HZ = 8.0  # gain of the tilt: 0 dB
_MOVEMENT_HZ = 6.0  # upper frequency limit of body movements


def draw_pace(rng: np.random.Generator) -> float:
    """Draw the pace: samples of the recording per sample of the window."""
    return float(np.exp(rng.uniform(-PACE, PACE)))


def cut(rcg: Float32, start: float, length: int, pace: float) -> Float32:
    """Return `length` samples [P, length] of the recording from `start` on, resampled by `pace`.

    Cubic interpolation: linear interpolation would lose a third of the amplitude at 50 Hz.
    """
    if pace == 1.0:
        return np.ascontiguousarray(rcg[:, round(start) : round(start) + length])
    at = start + pace * np.arange(length)
    first, last = max(0, int(at[0]) - 8), min(rcg.shape[1], int(at[-1]) + 8)
    return np.asarray(CubicSpline(np.arange(first, last), rcg[:, first:last], axis=1)(at), np.float32)


def disturb(rcg: Float32, rng: np.random.Generator) -> Float32:
    """Filter a window [P, n], and at random add constant noise, rising noise and a movement.

    Powers are relative to that of the filtered window.
    """
    rcg = coloured(rcg, rng.uniform(-TILT_DB, TILT_DB), _cut(rng))
    power = float(np.square(rcg).mean()) + 1e-30
    if rng.random() < NOISE_SHARE:
        rcg = rcg + constant_noise(rcg.shape, power, rng.uniform(*NOISE_SNR_DB), rng)
    if rng.random() < WEAK_SHARE:
        rcg = rcg + rising_noise(rcg.shape, power, rng.uniform(*WEAK_SNR_DB), rng.uniform(*WEAK_SLOPE), rng)
    if rng.random() < MOVEMENT_SHARE:
        length = round(rng.uniform(*MOVEMENT_S) * RCG_RATE_HZ)
        start = int(rng.integers(-length // 2, rcg.shape[1] - length // 2))
        rcg = rcg + movement(rcg.shape, start, length, power, rng.uniform(*MOVEMENT_SNR_DB), rng)
    return rcg


def coloured(rcg: Float32, tilt_db: float, low_pass_hz: float) -> Float32:
    """Filter RCG [P, n] without delay: gain of `tilt_db` per octave, low-pass at `low_pass_hz`."""
    hertz = np.fft.rfftfreq(rcg.shape[1], 1 / RCG_RATE_HZ)
    octaves = np.log2(np.maximum(hertz, 1) / _TILT_HZ)
    gain = 10 ** (tilt_db * np.clip(octaves, -3, 3) / 20) / np.sqrt(1 + (hertz / low_pass_hz) ** 8)
    return np.asarray(np.fft.irfft(np.fft.rfft(rcg) * gain, rcg.shape[1]), np.float32)


def _cut(rng: np.random.Generator) -> float:
    low, high = np.log(LOW_PASS_HZ)
    return float(np.exp(rng.uniform(low, high))) if rng.random() < LOW_PASS_SHARE else np.inf


def constant_noise(shape: tuple[int, int], power: float, snr_db: float, rng: np.random.Generator) -> Float32:
    """Return independent white Gaussian noise [P, n], `snr_db` below a signal of `power` (radarODE-MTL IV-D1)."""
    noise = rng.standard_normal(shape, np.float32)
    return np.asarray(noise * np.float32(np.sqrt(power * 10 ** (-snr_db / 10))))


def rising_noise(
    shape: tuple[int, int], power: float, snr_db: float, slope: float, rng: np.random.Generator
) -> Float32:
    """Return noise [P, n] with an amplitude proportional to frequency ** slope; 2 is white noise of the phase."""
    spectrum = np.fft.rfft(rng.standard_normal(shape, np.float32)) * np.linspace(0, 1, shape[1] // 2 + 1) ** slope
    noise = np.fft.irfft(spectrum, shape[1])
    return np.asarray(noise * np.sqrt(power * 10 ** (-snr_db / 10) / np.square(noise).mean()), np.float32)


def movement(
    shape: tuple[int, int], start: int, length: int, power: float, snr_db: float, rng: np.random.Generator
) -> Float32:
    """Return a random body movement [P, n] from sample `start` on: slow, with a common part in all points (IV-D2).

    During the movement its power is `snr_db` below `power`; 0 dB is the paper's mild movement, -9 dB its extensive one.
    """
    points, n = shape
    rough = rng.standard_normal((points + 1, length + 2 * RCG_RATE_HZ))
    slow = ndimage.gaussian_filter1d(rough, RCG_RATE_HZ / (2 * np.pi * _MOVEMENT_HZ) * 2, axis=1)
    slow = slow[:, RCG_RATE_HZ:-RCG_RATE_HZ] * np.hanning(length)
    slow /= np.sqrt(np.square(slow).mean(axis=1, keepdims=True)) + 1e-30
    mixed = 0.9 * slow[0] * (1 + 0.3 * rng.standard_normal((points, 1))) + 0.4 * slow[1:]
    mixed *= np.sqrt(power * 10 ** (-snr_db / 10) / np.square(mixed).mean())
    out = np.zeros(shape, np.float32)
    inside = slice(max(0, start), min(n, start + length))
    out[:, inside] = mixed[:, inside.start - start : inside.stop - start]
    return out
