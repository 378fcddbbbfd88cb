"""Digital Butterworth filters as second-order sections, the same as `scipy.signal.butter` (its method, its order).

The poles of the analog low-pass are moved to the band, then to the unit circle by the bilinear transform. The pole
nearest to the circle gets the two zeros nearest to it and is in the last section.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from edge.core.types import Complex128, Float64

_RATE = 2.0  # of the bilinear transform; only the warping of the edges depends on it


def butterworth(
    order: int, edges_hz: float | Sequence[float], kind: Literal["lowpass", "highpass", "bandpass"], rate_hz: float
) -> Float64:
    """Return the sections [S, 6] of a filter of even `order` with its -3 dB points at `edges_hz`.

    Raises ValueError if the order is odd or an edge is not between 0 and half the rate.
    """
    edges = np.atleast_1d(np.asarray(edges_hz, float)) * 2 / rate_hz
    if order % 2 or len(edges) != 1 + (kind == "bandpass") or not (edges.min() > 0 and edges.max() < 1):
        raise ValueError(f"no {kind} of order {order} at {edges_hz} Hz, for a rate of {rate_hz} Hz")
    warped = 2 * _RATE * np.tan(np.pi * edges / _RATE)
    poles = -np.exp(1j * np.pi * np.arange(1 - order, order, 2) / (2 * order))
    if kind == "lowpass":
        poles, gain = poles * warped[0], float(warped[0]) ** order
        zeros = np.zeros(0)
    elif kind == "highpass":
        gain = float(np.real(1 / np.prod(-poles)))
        poles, zeros = warped[0] / poles, np.zeros(order)
    else:
        width, centre = warped[1] - warped[0], np.sqrt(warped[0] * warped[1])
        middle = poles * width / 2
        spread = np.sqrt(middle**2 - centre**2)
        poles, gain, zeros = np.concatenate([middle + spread, middle - spread]), float(width) ** order, np.zeros(order)
    return _sections(zeros, poles, gain)


def _sections(zeros: Float64, poles: Complex128, gain: float) -> Float64:
    """Apply the bilinear transform and pair zeros with poles."""
    fast = 2 * _RATE
    gain *= float(np.real(np.prod(fast - zeros) / np.prod(fast - poles)))
    left = np.concatenate([(fast + zeros) / (fast - zeros), -np.ones(len(poles) - len(zeros))])
    poles = (fast + poles) / (fast - poles)
    upper = poles[poles.imag > 0]
    sections = []
    for pole in upper[np.argsort(np.abs(1 - np.abs(upper)))]:
        nearest = np.argsort(np.abs(pole - left), kind="stable")
        sections.append([*np.poly(left[nearest[:2]]), *np.poly([pole, pole.conj()]).real])
        left = left[nearest[2:]]
    sections.reverse()
    sections[0][:3] = [gain * tap for tap in sections[0][:3]]
    return np.array(sections, np.float64)
