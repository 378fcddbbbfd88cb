"""Reference implementation of the SST in float64, optimised for readability.

The faster implementations in `edge.dsp.sst` and `edge.gpu` are tested against it. Synchrosqueezing after Daubechies, Lu
and Wu (2011) and Thakur et al. (2013): a wavelet coefficient is reassigned, at its own time, from the centre frequency
of its wavelet to its instantaneous frequency.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edge.core.spec import (
    RCG_RATE_HZ,
    SST_AR_ORDER,
    SST_AR_RIDGE,
    SST_AR_TAPER,
    SST_BIN_OCTAVES,
    SST_BINS,
    SST_COLUMN_RATE_HZ,
    SST_COLUMNS,
    SST_DEFAULT,
    SST_LOW_HZ,
    SST_OMEGA0,
    SST_PAST,
    SST_PERIOD,
    SST_REACH,
    SST_ROLL_OFF_HZ,
    SST_SCALE_RANK,
    SST_SCALES,
    SST_SILENCE_MM_S2,
    SST_THRESHOLD,
    SstSpec,
)
from edge.core.types import Float64


def sst_reference(segment: Float64, spec: SstSpec = SST_DEFAULT) -> tuple[Float64, float]:
    """Transform one channel's high-passed samples [spec.segment] to a spectrogram [71, 120], 0..1, and its scale."""
    amplitude = np.abs(squeeze(extend(segment), spec))
    if averaged(spec):
        amplitude = (amplitude[:, :-2:2] + 2 * amplitude[:, 1:-1:2] + amplitude[:, 2::2]) / 4
    scale = float(np.sort(amplitude, axis=None)[-SST_SCALE_RANK])
    if scale < SST_SILENCE_MM_S2:
        return np.zeros_like(amplitude), 0.0
    return np.minimum(amplitude / scale, 1), scale


def extend(segment: Float64) -> Float64:
    """Extend the segment to SST_PERIOD samples by linear prediction, to avoid an edge at its end.

    The predictor of order 64 follows from the autocorrelation of the tapered segment (Yule-Walker). It is stable, so
    the prediction decays. The ridge on lag 0 keeps the equations solvable in float32.
    """
    tapered = segment * taper(len(segment))
    lags = np.array([tapered[k:] @ tapered[: len(tapered) - k] for k in range(SST_AR_ORDER + 1)])
    lags[0] *= 1 + SST_AR_RIDGE
    whole = np.zeros(SST_PERIOD)
    whole[: len(segment)] = segment
    if lags[0] > 0:
        k = np.arange(SST_AR_ORDER)
        predictor = np.linalg.solve(lags[np.abs(k[:, None] - k)], lags[1:])
        for n in range(len(segment), SST_PERIOD):
            whole[n] = predictor @ whole[n - 1 : n - 1 - SST_AR_ORDER : -1]
    return whole


def taper(n: int) -> Float64:
    """Return the Tukey window [n]: a cosine over SST_AR_TAPER of it, half at each end."""
    rise = np.arange(math.floor(SST_AR_TAPER * (n - 1) / 2) + 1) / (SST_AR_TAPER * (n - 1) / 2)
    window = np.ones(n)
    window[: len(rise)] = (1 - np.cos(np.pi * rise)) / 2
    window[n - len(rise) :] = window[: len(rise)][::-1]
    return window


def squeeze(whole: Float64, spec: SstSpec) -> npt.NDArray[np.complex128]:
    """Return the SST [71, frames] of circular samples; a sinusoid of amplitude A has magnitude A in its bin.

    Frame m is at m / frame_rate_hz from the start of the window. Averaging needs one more frame before it.
    """
    count = SST_COLUMNS * spec.frame_rate_hz // SST_COLUMN_RATE_HZ
    frames = np.arange(-1, count) if averaged(spec) else np.arange(count)
    t = SST_PAST + frames * RCG_RATE_HZ / spec.frame_rate_hz
    k = np.arange(1, SST_PERIOD // 2)
    omega = 2 * np.pi * k / SST_PERIOD
    spectrum = np.fft.fft(whole)[k] * 2 / SST_PERIOD
    turn = np.exp(1j * omega[:, None] * t)
    smallest = SST_THRESHOLD * np.abs(whole[: spec.segment]).max()
    squeezed = np.zeros((SST_BINS, len(frames)), complex)
    for scale in SST_SCALES:
        band = spectrum * morlet(scale, omega)
        wavelet = band @ turn
        derivative = (1j * omega * band) @ turn
        seen = np.nonzero(np.abs(wavelet) > smallest)[0]
        frequency = (derivative[seen] / wavelet[seen]).imag * RCG_RATE_HZ / (2 * np.pi)
        octave = np.log2(np.maximum(frequency, SST_LOW_HZ / 2) / SST_LOW_HZ)
        bins = np.floor(octave / SST_BIN_OCTAVES).astype(int)
        inside = (bins >= 0) & (bins < SST_BINS)
        squeezed[bins[inside], seen[inside]] += wavelet[seen[inside]]
    return np.asarray(squeezed / admissibility())


def averaged(spec: SstSpec) -> bool:
    """Return whether columns are averaged: two frames a column, each column from three frames weighted 1 2 1."""
    return spec.frame_rate_hz == 2 * SST_COLUMN_RATE_HZ


def morlet(scale: float, omega: Float64) -> Float64:
    """Return the Fourier transform, peak 1, of the analytic Morlet wavelet of a scale at `omega` [n] (rad/sample)."""
    u = scale * omega - SST_OMEGA0
    into = (omega * RCG_RATE_HZ / (2 * np.pi) - SST_ROLL_OFF_HZ) / (RCG_RATE_HZ / 2 - SST_ROLL_OFF_HZ)
    into = np.clip(into, 2e-3, 1 - 2e-3)
    roll_off = 1 / (1 + np.exp(1 / (1 - into) - 1 / into))  # smooth step: all derivatives are 0 at both ends
    return np.where(np.abs(u) <= SST_REACH, np.exp(-(u**2) / 2) * roll_off, 0.0)


def admissibility() -> float:
    """Return the sum over all scales for a sinusoid of amplitude 1 in the middle of their range."""
    middle = np.array([SST_OMEGA0 / math.sqrt(SST_SCALES[0] * SST_SCALES[-1])])
    return float(sum(morlet(scale, middle)[0] for scale in SST_SCALES))
