"""Synthesizes an ECG with the dynamical model of McSharry et al. (IEEE Trans. Biomed. Eng. 50, 2003, 289).

z' = -sum_i a_i (theta - theta_i) exp(-(theta - theta_i)^2 / 2 b_i^2) - (z - z0). On the limit cycle the phase theta is
the time from the R peak over the cycle. Thus the sum is a known input to a linear filter. Waves are given in seconds
and millivolts, a_i = peak * omega / b_i^2, so that the heart rate shifts and widens only the T wave, as in people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import signal

from edge.core.types import Float64
from edge.twin.rhythm import Beat, since_beats

STEP_RATE_HZ = 1000  # 200 Hz would be too coarse for the R peak
_BEFORE_S, _AFTER_S = 0.4, 0.9
_CYCLES_S = (0.35, 1.6)


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave of a beat, a Gaussian: its peak, its delay after R and its standard deviation.

    Both times hold for a cycle of one second; for others they are multiplied by the cycle to the power of `follows`.
    """

    peak_mv: float
    delay_s: float
    width_s: float
    follows: float = 0.0


P = Wave(0.12, -0.16, 0.022, 0.25)
Q = Wave(-0.12, -0.028, 0.009)
R = Wave(1.1, 0.0, 0.011)
S = Wave(-0.25, 0.030, 0.010)
# Two Gaussians give the asymmetric T wave, which rises slower than it falls. Bazett: QT ~ square root of the cycle.
T = (Wave(0.16, 0.25, 0.050, 0.5), Wave(0.16, 0.30, 0.032, 0.5))
ECTOPIC = (Wave(1.4, 0.0, 0.035), Wave(-0.35, 0.12, 0.04), Wave(-0.35, 0.34, 0.06, 0.5))


@dataclass(frozen=True, slots=True)
class EcgShape:
    """A person's waves. Atrial fibrillation: no `atrial` waves, but f waves of fibrillation_mv at fibrillation_hz."""

    atrial: tuple[Wave, ...] = (P,)
    ventricular: tuple[Wave, ...] = (Q, R, S, *T)
    ectopic: tuple[Wave, ...] = ECTOPIC
    fibrillation_mv: float = 0.0
    fibrillation_hz: float = 6.0


def ecg_mv(
    beats: Sequence[Beat], shape: EcgShape, samples: int, rate_hz: int, rest_mv: float | Float64 = 0.0
) -> Float64:
    """Return the ECG [samples] from time 0 on, with R waves at the beats; rest_mv [samples] is the baseline z0.

    The rate must divide STEP_RATE_HZ. `beats` must include those up to a second before and after the ECG.
    """
    every = STEP_RATE_HZ // rate_hz
    if every * rate_hz != STEP_RATE_HZ:
        raise ValueError(f"{rate_hz} Hz does not divide {STEP_RATE_HZ} Hz")
    t_s = np.arange(samples * every) / STEP_RATE_HZ
    rest = np.repeat(np.broadcast_to(rest_mv, samples), every)
    slope = _fibrillation_slope(t_s, shape) + rest
    for waves, wanted in (
        (shape.atrial, [not beat.ectopic for beat in beats]),
        (shape.ventricular, [not beat.ectopic for beat in beats]),
        (shape.ectopic, [beat.ectopic for beat in beats]),
    ):
        chosen = [beat for beat, want in zip(beats, wanted, strict=True) if want]
        if chosen and waves:
            slope += _slope(chosen, waves, t_s)
    # Solve z' = slope - z by the trapezoidal rule, which is exact for a piecewise linear slope.
    h = 1 / STEP_RATE_HZ
    z = signal.lfilter([h / 2, h / 2], [1 + h / 2, h / 2 - 1], slope, zi=rest[:1])[0]
    return np.asarray(z[::every])


def _slope(beats: Sequence[Beat], waves: tuple[Wave, ...], t_s: Float64) -> Float64:
    r_s = np.array([beat.r_s for beat in beats])
    cycle_s = np.clip([beat.cycle_s for beat in beats], *_CYCLES_S)
    slope = np.zeros(len(t_s))
    for beat, since_s in since_beats(r_s, t_s, _BEFORE_S, _AFTER_S):
        for wave in waves:
            longer = (cycle_s**wave.follows)[beat]
            late = (since_s - wave.delay_s * longer) / (wave.width_s * longer)
            slope -= wave.peak_mv / (wave.width_s * longer) * late * np.exp(-(late**2) / 2)
    return slope


def _fibrillation_slope(t_s: Float64, shape: EcgShape) -> Float64:
    """Return the slope of the f waves: sawtooth-like, with varying rate and amplitude."""
    if not shape.fibrillation_mv:
        return np.zeros(len(t_s))
    wander = 0.8 * np.sin(2 * np.pi * 0.23 * t_s) + 0.6 * np.sin(2 * np.pi * 0.61 * t_s + 1)
    phase = 2 * np.pi * shape.fibrillation_hz * t_s + 3 * wander
    height = 1 + 0.4 * np.sin(2 * np.pi * 0.37 * t_s + 2)
    return np.asarray(np.gradient(shape.fibrillation_mv * height * (np.sin(phase) + 0.4 * np.sin(2 * phase)), t_s))
