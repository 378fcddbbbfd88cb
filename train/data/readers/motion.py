"""Converts signals of any rate to RCG_RATE_HZ without a time shift: sample i is at i / RCG_RATE_HZ.

Radar signals are processed by the device's own components, so that training data are like those on the device.
`Resampler` causes no time shift; `SecondDerivative` delays by its DELAY, which is compensated here.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy import signal

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float64
from edge.dsp.frontend.phase import Resampler, SecondDerivative

DRIFT_HZ = 0.4


def acceleration(displacement: Float64, rate_hz: float) -> Float64:
    """Return the second derivative [P, m], at RCG_RATE_HZ and in unit per s^2, of displacement [P, n] at any rate."""
    x, covered = Resampler(rate_hz, RCG_RATE_HZ).push(displacement, np.ones(displacement.shape[1], bool))
    return SecondDerivative(RCG_RATE_HZ).push(x, covered)[1][:, SecondDerivative.DELAY :]


def integrated(rcg: Float64) -> Float64:
    """Integrate acceleration [P, n] to displacement, in its unit times s^2, high-pass filtered at DRIFT_HZ; causal."""
    drift = signal.butter(2, DRIFT_HZ, "highpass", fs=RCG_RATE_HZ, output="sos")
    x = rcg
    for _ in range(2):
        x = np.cumsum(signal.sosfilt(drift, x, axis=1), axis=1) / RCG_RATE_HZ
    return np.asarray(signal.sosfilt(drift, x, axis=1))


def resampled(x: Float64, rate_hz: float) -> Float64:
    """Resample x [..., n] to RCG_RATE_HZ with a zero-phase polyphase filter that suppresses aliases and images."""
    ratio = Fraction(RCG_RATE_HZ / rate_hz).limit_denominator(1000)
    return np.asarray(signal.resample_poly(x, ratio.numerator, ratio.denominator, axis=-1, padtype="line"))
