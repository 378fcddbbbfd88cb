"""SST in numpy, for machines without the compiled `_sst.c`: same results, ten times slower."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft, linalg

from edge.core.spec import (
    RCG_RATE_HZ,
    SST_AR_ORDER,
    SST_AR_RIDGE,
    SST_BIN_OCTAVES,
    SST_BINS,
    SST_LOW_HZ,
    SST_PERIOD,
    SST_SCALE_RANK,
    SST_SILENCE_MM_S2,
)
from edge.core.types import Float32
from edge.dsp.sst.tables import SstTables

_LANES = 8  # channels computed together: enough for array operations, few enough for the cache
_LOW_LOG2 = math.log2(SST_LOW_HZ * 2 * math.pi / RCG_RATE_HZ)


class NumpySst:
    """Same interface as `NativeSst`. Computes every window completely; `has_previous` has no effect."""

    def __init__(self, tables: SstTables, channels: int, hop: int | None) -> None:
        self._tables = tables
        self._band = tables.whole()

    def __call__(self, segment: Float32, values: Float32, scale: Float32, has_previous: bool) -> None:
        """Write values [P, 71, 120] and scale [P], computed from segment [P, samples]."""
        for c in range(0, len(segment), _LANES):
            part = slice(c, c + _LANES)
            self._window(segment[part], values[part], scale[part])

    def _window(self, segment: Float32, values: Float32, scale: Float32) -> None:
        finite = np.asarray(np.isfinite(segment).all(axis=1))
        clean = np.where(finite[:, None], segment, 0)
        smallest = (self._tables.threshold * np.abs(clean).max(axis=1, keepdims=True)) ** 2
        amplitude = np.abs(self._squeeze(self._extend(clean), smallest))
        if self._tables.averaged:
            amplitude = (amplitude[:, :, :-2:2] + 2 * amplitude[:, :, 1:-1:2] + amplitude[:, :, 2::2]) / 4
        flat = amplitude.reshape(len(segment), -1)
        one = np.partition(flat, -SST_SCALE_RANK, axis=1)[:, -SST_SCALE_RANK]
        one[one < SST_SILENCE_MM_S2] = 0
        by = np.divide(1, one, where=one > 0, out=np.zeros_like(one))
        values[:] = np.minimum(amplitude * by[:, None, None], 1)
        scale[:] = np.where(finite, one, np.nan)

    def _extend(self, segment: Float32) -> Float32:
        count, n = segment.shape
        whole = np.zeros((count, SST_PERIOD), np.float32)
        whole[:, :n] = segment
        tapered = segment * self._tables.taper
        predictor = np.zeros((count, SST_AR_ORDER), np.float32)
        for c, x in enumerate(tapered.astype(np.float64)):
            lags = np.array([x[k:] @ x[: n - k] for k in range(SST_AR_ORDER + 1)])
            lags[0] *= 1 + SST_AR_RIDGE
            if lags[0] > 0:
                predictor[c] = linalg.solve_toeplitz(lags[:-1], lags[1:])[::-1]
        for i in range(n, SST_PERIOD):
            whole[:, i] = (predictor * whole[:, i - SST_AR_ORDER : i]).sum(axis=1)
        return whole

    def _squeeze(self, whole: Float32, smallest: Float32) -> npt.NDArray[np.complex64]:
        band, frames = self._band, self._tables.frames
        spectrum = fft.rfft(whole, axis=1)
        cells = np.zeros((len(whole), SST_BINS + 1, frames), np.complex64)
        channel, frame = np.arange(len(whole))[:, None], np.arange(frames)
        for first, count, offset in zip(band.first, band.count, band.offset, strict=True):
            part = spectrum[:, first : first + count] * band.gain[offset : offset + count]
            band_omega = (2 * math.pi / SST_PERIOD * np.arange(first, first + count)).astype(np.float32)
            wavelet, derivative = self._frames(part, first), self._frames(part * band_omega, first)
            power = wavelet.real**2 + wavelet.imag**2
            turned = wavelet.real * derivative.real + wavelet.imag * derivative.imag
            seen = (power > smallest) & (turned > 1e-6 * power)
            omega = np.divide(turned, power, where=seen, out=np.ones_like(power))
            octave = np.log2(omega) - _LOW_LOG2
            bins = np.floor(octave / SST_BIN_OCTAVES)
            rows = np.where(seen & (bins >= 0) & (bins < SST_BINS), bins, SST_BINS).astype(np.intp)
            cells[channel, rows, frame] += wavelet
        return cells[:, :SST_BINS]

    def _frames(self, part: npt.NDArray[np.complex64], first: int) -> npt.NDArray[np.complex64]:
        around = self._band.frames_around
        turns = -(-(first + part.shape[1]) // around)
        folded = np.zeros((len(part), turns * around), np.complex64)
        folded[:, first : first + part.shape[1]] = part
        frames = fft.ifft(folded.reshape(len(part), turns, around).sum(axis=1), axis=1, norm="forward")
        return np.asarray(frames[:, self._band.frame0 : self._band.frame0 + self._tables.frames])
