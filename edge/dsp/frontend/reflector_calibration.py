"""Phase calibration: range bias and complex factors of the antenna pairs, from a strong reflector at a known position.

The profile of an ideal reflector follows from the exact paths (`beamforming.echoes`). The range bias is the shift that
explains most of the measured power, independent of the phases of the pairs. The factor of a pair then converts its
profile to the expected one. Phases alone cannot distinguish errors of the board from a reflector that is off the axis,
so a measurement is rejected only if one direction explains it better than random errors would.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge.core.types import Complex128, Float64, RadarFrame
from edge.dsp.frontend.beamforming import can_focus, echoes
from edge.dsp.frontend.range_profile import range_profile
from edge.radar.antennas import AWR1843
from edge.radar.calibration import Calibration, CalibrationError
from edge.radar.chirp import ChirpConfig

RANGES_M = (0.7, 3.0)  # nearer, antenna leakage interferes; farther, other objects in the room do
MIN_DURATION_S = 1.0
MAX_BIAS_M, BIAS_STEP_M = 0.25, 0.001
LOBE_BINS = 2  # of the Hann window, on each side of its peak
ISOLATION_M, MIN_CONTRAST_DB = 0.5, 20.0  # within this distance, all other echoes must be this much weaker
MIN_STILL_FRACTION = 0.9  # of the peak's power must be constant
MAX_RESIDUAL_RAD = 0.1
MIN_RELATIVE_AMPLITUDE = 0.1  # of the strongest pair: below it, no factor can be computed for a pair
# Limits for a reflector off the axis. A few in a thousand boards with random phases exceed them by chance.
MAX_ANGLE_DEG, MIN_DIRECTION_AGREEMENT = 5.0, 0.75


@dataclass(frozen=True, slots=True)
class Reflector:
    """Result of a measurement.

    factors [tx x rx], the largest of magnitude 1. residual_rad: deviation from a single static point, as a phase.
    contrast_db: its echo relative to the strongest other echo within ISOLATION_M.
    """

    range_bias_m: float
    factors: tuple[complex, ...]
    residual_rad: float
    contrast_db: float


def measure(chirp: ChirpConfig, frames: Iterable[RadarFrame], range_m: float) -> Reflector:
    """Measure a reflector that is `range_m` straight ahead of the centre of the antennas.

    Raises CalibrationError, which states what is wrong with the chirp, the recording or the position.
    """
    if not can_focus(chirp):
        raise CalibrationError(f"{chirp.source}: too few antennas, or unknown antenna positions; cannot calibrate")
    if not RANGES_M[0] <= range_m <= RANGES_M[1]:
        raise CalibrationError(f"the reflector is {range_m:g} m away; put it at {RANGES_M[0]} to {RANGES_M[1]} m")
    profile, power = _mean_profile(chirp, frames)
    peak, contrast_db = _peak(chirp, power, range_m)
    bins = slice(peak - LOBE_BINS, peak + LOBE_BINS + 1)
    seen = profile[:, bins]
    still = float(np.square(np.abs(seen)).sum() / power[bins].sum())
    if still < MIN_STILL_FRACTION:
        raise CalibrationError(
            f"the echo at {range_m:g} m changes ({1 - still:.0%} of its power): nothing may move near the reflector"
        )
    place_m = AWR1843.of(chirp).middle_m + [0, range_m, 0]
    bias_m = _bias_m(chirp, seen, place_m, bins)
    expected = echoes(chirp, place_m[None], bins, Calibration(bias_m))[0]
    strength = (expected.conj() * seen).sum(axis=1) / np.square(np.abs(expected)).sum(axis=1)
    fitted = strength[:, None] * expected
    residual_rad = float(np.linalg.norm(seen - fitted) / np.linalg.norm(fitted) / math.sqrt(2))
    if residual_rad > MAX_RESIDUAL_RAD:
        raise CalibrationError(
            f"the echo at {range_m:g} m is not that of a single point (residual {residual_rad:.2f} rad): "
            "use one small reflector with nothing near it"
        )
    if np.abs(strength).min() < MIN_RELATIVE_AMPLITUDE * np.abs(strength).max():
        tx, rx = divmod(int(np.abs(strength).argmin()), len(chirp.rx))
        raise CalibrationError(
            f"TX{chirp.tx_order[tx]} to RX{chirp.rx[rx]} receives hardly any echo: remove anything in front of it"
        )
    _require_ahead(chirp, seen, range_m, bins, bias_m)
    factors = np.abs(strength).min() / strength
    return Reflector(bias_m, tuple(factors.tolist()), residual_rad, contrast_db)


def _mean_profile(chirp: ChirpConfig, frames: Iterable[RadarFrame]) -> tuple[Complex128, Float64]:
    """Return the mean profile [pair, bin] and the power [bin] of all pairs over the complete frames."""
    count = 0
    profile = np.zeros((len(chirp.tx_order) * len(chirp.rx), chirp.samples), np.complex128)
    power = np.zeros(chirp.samples)
    for frame in frames:
        if frame.complete:
            one = range_profile(frame.iq[None])[0]
            profile += one
            power += np.square(np.abs(one)).sum(axis=0)
            count += 1
    if count * chirp.frame_period_s < MIN_DURATION_S:
        raise CalibrationError(f"{count} complete frames are too few: record at least {MIN_DURATION_S:g} s")
    return profile / count, power / count


def _peak(chirp: ChirpConfig, power: Float64, range_m: float) -> tuple[int, float]:
    """Return the bin of the reflector and its contrast to all other echoes near it, dB."""
    at_m = np.arange(chirp.samples) * chirp.range_bin_m
    here = np.flatnonzero(np.abs(at_m - range_m) <= MAX_BIAS_M)
    if len(here) == 0 or here[-1] >= chirp.samples // 2:
        raise CalibrationError(f"{chirp.source}: the maximum range is {at_m[chirp.samples // 2]:.1f} m")
    peak = int(here[power[here].argmax()])
    away = np.abs(np.arange(chirp.samples) - peak)
    beside = (away > LOBE_BINS + 1) & (away * chirp.range_bin_m <= ISOLATION_M)
    contrast_db = 10 * math.log10((power[peak] + 1e-12) / (power[beside].max() + 1e-12))
    if contrast_db < MIN_CONTRAST_DB:
        raise CalibrationError(
            f"the strongest echo near {range_m:g} m, at {at_m[peak]:.2f} m, is {contrast_db:.0f} dB above the others "
            f"within {ISOLATION_M} m and must be {MIN_CONTRAST_DB:.0f} dB: use a larger reflector, clear the room, or "
            "correct its distance"
        )
    return peak, contrast_db


def _bias_m(chirp: ChirpConfig, seen: Complex128, place_m: Float64, bins: slice) -> float:
    """Return how much farther than its position the reflector appears, from the envelope of the peak [pair, bin]."""
    steps = np.arange(-MAX_BIAS_M, MAX_BIAS_M + 1e-9, BIAS_STEP_M)
    expected = np.stack([echoes(chirp, place_m[None], bins, Calibration(bias_m))[0] for bias_m in steps])
    explained = np.square(np.abs((expected.conj() * seen).sum(axis=2))) / np.square(np.abs(expected)).sum(axis=2)
    return float(steps[explained.sum(axis=1).argmax()])


def _require_ahead(chirp: ChirpConfig, seen: Complex128, range_m: float, bins: slice, bias_m: float) -> None:
    """Raise CalibrationError if the phases of all pairs agree on a direction off the axis.

    Elevation is not checked: only TX2 measures it, and a phase error of TX2 has the same effect.
    """
    grid = np.meshgrid(np.radians(np.arange(-45, 46)), np.radians(np.arange(-30, 31, 3)))
    azimuth, elevation = (angle.ravel() for angle in grid)
    towards = [np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
    places_m = AWR1843.of(chirp).middle_m + range_m * np.stack(towards, axis=1)
    expected = echoes(chirp, places_m, bins, Calibration(bias_m)).reshape(len(places_m), -1)
    agreement = np.abs(expected.conj() @ seen.ravel()) / np.linalg.norm(expected, axis=1) / np.linalg.norm(seen)
    best = int(agreement.argmax())
    degrees = math.degrees(azimuth[best])
    if agreement[best] ** 2 > MIN_DIRECTION_AGREEMENT and abs(degrees) > MAX_ANGLE_DEG:
        side = "right" if degrees > 0 else "left"
        raise CalibrationError(
            f"the reflector appears to be {abs(degrees):.0f} degrees to the {side} (+x): put it straight ahead"
        )
