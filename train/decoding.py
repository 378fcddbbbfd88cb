"""The network's logits to times: where R peaks are and how long a cycle is. One reading for training and device."""

from __future__ import annotations

import numpy as np
from scipy import signal, special

from edge.frames import Float32, Float64
from edge.spec import CYCLE_MIN, RCG_RATE_HZ

LEAST_GAP_S = 0.3
"""Between two R peaks: 200 beats a minute."""
LEAST_SHARE = 0.2
"""Of the window's highest peak: what a beat must reach."""
LEAST_OVER_CHANCE = 3.0
"""Times the probability of a class if all were alike: a network that knows nothing finds no beat."""
CYCLE_REACH = 10
"""Classes to each side of the likeliest that belong to the same belief."""


def decode_anchors(logits: Float32) -> Float64:
    """Logits [800] to the R peaks' places, rising, in samples from the window's start and between samples."""
    p = special.softmax(logits.astype(np.float64))
    height = max(LEAST_OVER_CHANCE / len(p), LEAST_SHARE * p.max())
    # Between two zeros, so that the window's first and last sample can be peaks.
    padded = np.pad(p, 1)
    peaks, _ = signal.find_peaks(padded, height=height, distance=LEAST_GAP_S * RCG_RATE_HZ)
    return peaks - 1 + _vertex(*(padded[peaks + side] for side in (-1, 0, 1)))


def decode_cycle(logits: Float32) -> Float64:
    """Logits [..., 260] to the cycle's length in samples [...]: the mean over the classes around the likeliest."""
    away = np.arange(logits.shape[-1]) - logits.argmax(-1)[..., None]
    near = special.softmax(np.where(abs(away) <= CYCLE_REACH, logits.astype(np.float64), -np.inf), axis=-1)
    return np.asarray(near @ np.arange(CYCLE_MIN, CYCLE_MIN + logits.shape[-1]))


def _vertex(left: Float64, top: Float64, right: Float64) -> Float64:
    """How far from its middle a parabola through the logarithms, a Gaussian's own form, is highest: -0.5 to 0.5."""
    left, top, right = (np.log(np.maximum(side, 1e-30)) for side in (left, top, right))
    bend = left - 2 * top + right
    return np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
