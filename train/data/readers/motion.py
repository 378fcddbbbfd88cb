"""Any rate to RCG_RATE_HZ, without a shift in time: sample i of every result lies i / RCG_RATE_HZ after the first.

The device's own parts do the radar's side, so nothing is learnt that the device would not see: `Resampler` waits for
samples but does not shift them, `SecondDerivative` shifts by its DELAY, which is taken back here.
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
    """Displacement [P, n] at any rate to its second derivative [P, m] at RCG_RATE_HZ, in its unit per s^2."""
    x, covered = Resampler(rate_hz, RCG_RATE_HZ).push(displacement, np.ones(displacement.shape[1], bool))
    return SecondDerivative(RCG_RATE_HZ).push(x, covered)[1][:, SecondDerivative.DELAY :]


def integrated(rcg: Float64) -> Float64:
    """Acceleration [P, n] back to displacement, in its unit times s^2, without what is slower than DRIFT_HZ; causal."""
    drift = signal.butter(2, DRIFT_HZ, "highpass", fs=RCG_RATE_HZ, output="sos")
    x = rcg
    for _ in range(2):
        x = np.cumsum(signal.sosfilt(drift, x, axis=1), axis=1) / RCG_RATE_HZ
    return np.asarray(signal.sosfilt(drift, x, axis=1))


def resampled(x: Float64, rate_hz: float) -> Float64:
    """x [..., n] at any rate to RCG_RATE_HZ by a zero-phase polyphase filter that passes neither alias nor image."""
    ratio = Fraction(RCG_RATE_HZ / rate_hz).limit_denominator(1000)
    return np.asarray(signal.resample_poly(x, ratio.numerator, ratio.denominator, axis=-1, padtype="line"))
