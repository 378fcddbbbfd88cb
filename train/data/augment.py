"""Augments windows of RCG before the SST: another heart rate, noise, filters, movements and frame rates.

All random numbers are drawn from the given generator, so that a window of a run is reproducible.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float32, Float64

PACE = 0.2
"""The whole cardiac cycle, including its vibrations, is up to e^0.2 times faster or slower."""
NOISE_SHARE, NOISE_SNR_DB = 0.5, (-3.0, 15.0)
WEAK_SHARE, WEAK_SNR_DB, WEAK_SLOPE = 0.2, (-24.0, -3.0), (-1.0, 2.0)
"""With a weak echo noise masks the vibrations; if it rises with frequency, heart motion below 4 Hz stays visible."""
UNREST_SHARE, UNREST_SNR_DB, UNREST_HZ = 0.15, (-20.0, 3.0), (3.0, 20.0)
"""Some bodies shake in a band of the vibrations, by much more than the heart shakes them."""
FRAME_RATE_SHARE, FRAME_RATE_HZ = 0.3, (20.0, 200.0)
"""Other radars send fewer frames a second, so that the vibrations above half their rate are lost."""
TILT_DB, LOW_PASS_SHARE, LOW_PASS_HZ = 6.0, 0.5, (15.0, 100.0)
"""Differences of chests and radars: a tilt of up to so many dB per octave, and often a low-pass filter."""
MOVEMENT_SHARE, MOVEMENT_SNR_DB, MOVEMENT_S = 0.15, (-9.0, 3.0), (0.5, 3.0)
_TILT_HZ = 8.0  # gain of the tilt: 0 dB
_UNREST_OCTAVES = 1.4  # width of its band
_UNREST_OWN = 0.4  # of each point, relative to the part that is common to all
_MIN_SLOPE_HZ = 1.0  # noise does not rise further below it
_MOVEMENT_HZ = 6.0  # upper frequency limit of body movements


def draw_pace(rng: np.random.Generator) -> float:
    """Draw the pace: samples of the recording per sample of the window."""
    return float(np.exp(rng.uniform(-PACE, PACE)))


def cut(
    rcg: Float32, start: float, length: int, pace: float, points: npt.NDArray[np.int64] | slice = slice(None)
) -> Float32:
    """Return `length` samples [P, length] of the recording's points from `start` on, resampled by `pace`.

    The samples are those of the cubic spline: linear interpolation would lose a third of the amplitude at 50 Hz.
    """
    if pace == 1.0:
        return np.ascontiguousarray(rcg[:, round(start) : round(start) + length][points])
    at = start + pace * np.arange(length)
    first, last = max(0, int(at[0]) - 8), min(rcg.shape[1], int(at[-1]) + 8)
    weights = ndimage.spline_filter1d(rcg[:, first:last][points], 3, output=np.float64)  # of B-splines; ends: mirrored
    weights = np.pad(weights, ((0, 0), (1, 2)), "reflect")
    before = at.astype(np.int64)
    t = at - before
    basis = ((1 - t) ** 3, 4 - 3 * t**2 * (2 - t), 4 - 3 * (1 - t) ** 2 * (1 + t), t**3)
    return np.asarray(
        sum(np.take(weights, before - first + k, 1) * each for k, each in enumerate(basis)) / 6, np.float32
    )


def disturb(rcg: Float32, rng: np.random.Generator) -> Float32:
    """Filter a window [P, n], and at random add constant, sloped and band noise and a movement, at another frame rate.

    Powers are relative to that of the filtered window.
    """
    rcg = coloured(rcg, rng.uniform(-TILT_DB, TILT_DB), _draw_log(rng, LOW_PASS_SHARE, LOW_PASS_HZ))
    power = float(np.square(rcg).mean()) + 1e-30
    if rng.random() < NOISE_SHARE:
        rcg = rcg + constant_noise(rcg.shape, power, rng.uniform(*NOISE_SNR_DB), rng)
    if rng.random() < WEAK_SHARE:
        rcg = rcg + sloped_noise(rcg.shape, power, rng.uniform(*WEAK_SNR_DB), rng.uniform(*WEAK_SLOPE), rng)
    if np.isfinite(middle_hz := _draw_log(rng, UNREST_SHARE, UNREST_HZ)):
        rcg = rcg + unrest(rcg.shape, power, rng.uniform(*UNREST_SNR_DB), middle_hz, rng)
    if rng.random() < MOVEMENT_SHARE:
        length = round(rng.uniform(*MOVEMENT_S) * RCG_RATE_HZ)
        start = int(rng.integers(-length // 2, rcg.shape[1] - length // 2))
        rcg = rcg + movement(rcg.shape, start, length, power, rng.uniform(*MOVEMENT_SNR_DB), rng)
    return at_frame_rate(rcg, _draw_log(rng, FRAME_RATE_SHARE, FRAME_RATE_HZ))


def coloured(rcg: Float32, tilt_db: float, low_pass_hz: float) -> Float32:
    """Filter RCG [P, n] without delay: gain of `tilt_db` per octave, low-pass at `low_pass_hz`."""
    hertz = np.fft.rfftfreq(rcg.shape[1], 1 / RCG_RATE_HZ)
    octaves = np.log2(np.maximum(hertz, 1) / _TILT_HZ)
    gain = 10 ** (tilt_db * np.clip(octaves, -3, 3) / 20) / np.sqrt(1 + (hertz / low_pass_hz) ** 8)
    return np.asarray(np.fft.irfft(np.fft.rfft(rcg) * gain, rcg.shape[1]), np.float32)


def at_frame_rate(rcg: Float32, rate_hz: float) -> Float32:
    """Return RCG [P, n] as the device's front end computes it from `rate_hz` frames a second; its filter has no delay.

    The gain of `edge.dsp.frontend.phase.Resampler` falls from 1 to 0 around half the rate, within a third of it.
    """
    if not np.isfinite(rate_hz):
        return rcg
    hertz = np.fft.rfftfreq(rcg.shape[1], 1 / RCG_RATE_HZ)
    gain = 0.5 * special.erfc((hertz / rate_hz - 0.5) / 0.1)
    return np.asarray(np.fft.irfft(np.fft.rfft(rcg) * gain, rcg.shape[1]), np.float32)


def _draw_log(rng: np.random.Generator, share: float, limits: tuple[float, float]) -> float:
    """Draw a frequency with this probability, its logarithm evenly between the limits; else infinity."""
    return float(np.exp(rng.uniform(*np.log(limits)))) if rng.random() < share else np.inf


def constant_noise(shape: tuple[int, int], power: float, snr_db: float, rng: np.random.Generator) -> Float32:
    """Return independent white Gaussian noise [P, n], `snr_db` below a signal of `power` (radarODE-MTL IV-D1)."""
    noise = rng.standard_normal(shape, np.float32)
    return np.asarray(noise * np.float32(np.sqrt(power * 10 ** (-snr_db / 10))))


def sloped_noise(
    shape: tuple[int, int], power: float, snr_db: float, slope: float, rng: np.random.Generator
) -> Float32:
    """Return noise [P, n] with an amplitude proportional to frequency ** slope.

    A slope of 2 is white noise of the phase, -1 that of a swaying body.
    """
    hertz = np.fft.rfftfreq(shape[1], 1 / RCG_RATE_HZ)
    gain = np.where(hertz > 0, np.maximum(hertz, _MIN_SLOPE_HZ) ** slope, 0)
    return _shaped_noise(rng.standard_normal(shape, np.float32), gain, power, snr_db)


def unrest(shape: tuple[int, int], power: float, snr_db: float, middle_hz: float, rng: np.random.Generator) -> Float32:
    """Return noise [P, n] in a band around `middle_hz`, most of it common to all points."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(shape[1], 1 / RCG_RATE_HZ), 0.1) / middle_hz)
    common = rng.standard_normal((1, shape[1]), np.float32)
    noise = common + np.float32(_UNREST_OWN) * rng.standard_normal(shape, np.float32)
    return _shaped_noise(noise, np.exp(-0.5 * (2 * octaves / _UNREST_OCTAVES) ** 2), power, snr_db)


def _shaped_noise(noise: Float32, gain: Float64, power: float, snr_db: float) -> Float32:
    """Filter white noise [P, n] by the gain [f], and scale it to `snr_db` below `power`."""
    shaped = np.fft.irfft(np.fft.rfft(noise) * gain, noise.shape[1])
    return np.asarray(shaped * np.sqrt(power * 10 ** (-snr_db / 10) / np.square(shaped).mean()), np.float32)


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
