"""Evidence about the heart rate: how much each source supports every rate.

Each source has features of a rate of T seconds a cycle, one row each, and a strength, which is how pronounced it is:

    envelope, pulse  autocorrelation of the chest's motion (`heart_motion`) at T, at 2 T, and at T / 2 if positive; the
                     last distinguishes a cycle from two cycles, because two cycles have a beat in their middle
    anchors          the same of the network's anchors (`network_history`)
    cycle            logarithm of the probability that the network's cycle output gives to T
    beats            nearness of T to the mean cycle of the network's beats, less if many cycles are outliers

`edge.vitals.rate_tracker` weighs and adds them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, RCG_RATE_HZ
from edge.core.types import BeatRate, Float32, Float64

RATES_BPM: Float64 = np.exp(np.arange(math.log(38), math.log(190), 0.02))
"""Rates [R] of the tracker, wider than HEART_RATE_RANGE_BPM: at the ends probability accumulates."""
LONGEST_CYCLE_S = 60 / float(RATES_BPM[0])

PERIODICITY = ("cycle", "two_cycles", "half_cycle")
SOURCES: dict[str, tuple[str, ...]] = {
    "envelope": PERIODICITY,
    "pulse": PERIODICITY,
    "anchors": PERIODICITY,
    "cycle": ("log_probability",),
    "beats": ("nearness",),
}
"""Names of the sources and of their features."""
MOTION_SOURCES = ("envelope", "pulse")
"""Sources that need no network."""

RESOLUTION = 0.03  # of a rate's logarithm: standard deviation of the cycle output's smoothing and of `nearness`
MIN_PROBABILITY = 0.03  # the network is never surer than this that a rate is wrong
MAX_OUTLIERS = 0.5  # with this fraction of outliers, beats are no evidence

_CYCLES_BPM = 60 * RCG_RATE_HZ / (CYCLE_MIN + np.arange(CYCLE_CLASSES))
_SMOOTHING: Float64 = np.exp(-0.5 * np.square(np.log(RATES_BPM[:, None] / _CYCLES_BPM) / RESOLUTION))


class RateEvidence(NamedTuple):
    """Features [k, R] of the rates, in the order of SOURCES, and the strength of their source."""

    features: Float64
    strength: float


def autocorrelate(x: Float64, lags: int) -> Float64:
    """Return the unbiased autocorrelation [P, lags] of x [P, n], 1 at lag 0; 0 beyond n - 1."""
    n = x.shape[1]
    known = min(n - 1, lags)
    power = np.square(np.abs(np.fft.rfft(x - x.mean(axis=1, keepdims=True), 2 * n)))
    correlation = np.fft.irfft(power)[:, :known] * (n / (n - np.arange(known)))
    correlation /= np.maximum(correlation[:, :1], 1e-30)
    return np.pad(correlation, ((0, 0), (0, lags - known)))


def periodicity(autocorrelation: Float64, rate_hz: float) -> RateEvidence:
    """Return the evidence of an autocorrelation [lags] at `rate_hz`; its strength is the highest value at a cycle."""
    known, cycles = np.arange(len(autocorrelation)), 60 * rate_hz / RATES_BPM
    one, two, half = (np.interp(k * cycles, known, autocorrelation, right=0) for k in (1, 2, 0.5))
    return RateEvidence(np.stack([one, two, np.maximum(0, half)]), float(one.max()))


def cycle_evidence(cycle: Float32) -> RateEvidence:
    """Return the evidence of the network's cycle output [CYCLE_CLASSES]."""
    logarithm = np.log(MIN_PROBABILITY + _SMOOTHING @ np.maximum(cycle, 0).astype(np.float64))
    return RateEvidence(logarithm[None], float(logarithm.max()))


def beat_evidence(beats: BeatRate) -> RateEvidence:
    """Return the evidence of the rate from the network's beats."""
    strength = max(0.0, 1 - beats.outlier_fraction / MAX_OUTLIERS)
    return RateEvidence(strength * np.exp(-0.5 * np.square(np.log(RATES_BPM / beats.bpm) / RESOLUTION))[None], strength)
